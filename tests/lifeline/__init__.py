"""The shared vocabulary: catalog, settings, codecs, signatures, replay."""
