"""Files and folders: atomic writes, ownership checks, locks, downloads, checksums."""
