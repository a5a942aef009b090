"""Faces: how people reach the library without writing Python. No torch of their own."""
