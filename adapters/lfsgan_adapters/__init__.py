"""The adapters that come with lfsgan; each is one module, found through the same entry points as any plugin's."""
