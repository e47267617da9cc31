"""What NVRTC compiles: which kernels there are of `native/`, and their binaries on disk."""
