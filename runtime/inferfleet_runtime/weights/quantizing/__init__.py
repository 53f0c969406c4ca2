"""From F16 to fewer bits: which tensor gets which type, and the engine's own library that writes its blocks."""
