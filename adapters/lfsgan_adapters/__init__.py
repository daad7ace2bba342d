"""The adapters that come with lfsgan; each is one file, found through the same entry points as anyone else's."""
