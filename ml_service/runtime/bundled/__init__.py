"""The models that come with the service."""

import os

# Read when numpy is imported. Of a heap that had large arrays in it the kernel otherwise makes huge pages again, long
# after they were freed: 33 MiB in the process that has made what all map. No model computes with arrays so large.
os.environ.setdefault("NUMPY_MADVISE_HUGEPAGE", "0")
