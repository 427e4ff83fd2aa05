"""The tasks of the services; modules with more of them are imported here, so that workers know them."""
