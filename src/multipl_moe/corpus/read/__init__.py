"""Reading: files of folders, repositories, archives, data sets and toolchains, in an order that the seed draws."""
