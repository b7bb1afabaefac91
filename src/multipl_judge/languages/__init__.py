"""All that one language is: names and endings, toolchain, test harness, limits, how its source text is read."""
