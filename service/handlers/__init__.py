"""The handlers, one module for what belongs together; the route table is in ``service.app``."""
