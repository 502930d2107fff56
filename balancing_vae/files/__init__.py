"""Files and folders: written whole or not at all, known again, locked, downloaded, checked."""
