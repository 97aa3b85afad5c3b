"""Tests against real servers: redis-server and mongod from their wheels, on free ports."""
