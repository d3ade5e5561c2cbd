//! Wire compression of picture planes: none, LZ4 and Zstandard, slice by slice over worker threads.
