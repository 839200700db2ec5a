"""Data: real flights or a user's own file, its schema, the days it is split by, shards, the features made of them."""
