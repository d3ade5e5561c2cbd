//! H.264 and H.265 byte streams: Annex B, length-prefixed, avcC and hvcC.
