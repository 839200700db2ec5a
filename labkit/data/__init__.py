"""Data: real flights, the schema they fit, the days they are split by, shards that hold them, features made of them."""
