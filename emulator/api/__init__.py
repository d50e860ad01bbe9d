"""The emulator's application, one module a Google host."""
