"""One router a service, each with its schemas; each can be served alone."""
