"""Files of coded integers: probability tables, contexts, the entropy coder, a container that knows when it is damaged.

Symbols are decoded by integers alone, so that a file means the same on every machine.
"""

from latently.codec.container import Block, Container, read, write

__all__ = ["Block", "Container", "read", "write"]
