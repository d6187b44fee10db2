"""The tests. They use real servers and no mocks."""
