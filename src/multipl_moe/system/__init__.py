"""What the machine and the operating system decide: memory, devices, processes, disks, and what is recorded of them."""
