"""The models behind the engine; each is one module with one method, `stream`."""
