"""What plug-in authors test with: contract suites to inherit, and fakes that need no data and no torch."""
