"""A lab on AWS EC2: its templates, its first boot, and the verbs that bring it up, look after it and take it down."""
