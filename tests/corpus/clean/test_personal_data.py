import pytest

from multipl_moe.corpus.clean.personal_data import find_personal_data


def found(text: str) -> list[tuple[str, str]]:
    return [(span.kind, text[span.start : span.end]) for span in find_personal_data(text)]


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("# Written by Jo Doe <jo.doe+code@posteo.de>\n", "jo.doe+code@posteo.de"),
        (" * @author jd@cs.uni-bonn.de (Jo)\n", "jd@cs.uni-bonn.de"),
        ("mailto:sales@corp.co.uk.", "sales@corp.co.uk"),
        ('x = "who_is@it.dev"', "who_is@it.dev"),
        ("//jane.doe@siemens.com\n", "jane.doe@siemens.com"),
        ("x = 1 //@author:jane.doe@siemens.com\n", "jane.doe@siemens.com"),
    ],
)
def test_email_addresses_are_found(text, address):
    assert found(text) == [("email", address)]


@pytest.mark.parametrize(
    "text",
    [
        "jo@example.com, jo@mail.example.org, jo@host.example, a@foo.com, root@localhost",
        "git clone git@github.com:me/x.git",
        "C = A@B.sum(0); D = x@y.T; E = self.w@other.dot(v)",
        "require left-pad@1.2.3; icon@2x.png; golang.org/x/net@v0.1.0; render@view.js",
        "ssh://deploy@corp.io/x.git",
        "//see https://corp.io/~who@it.dev/",
        "@Override\n@foo.bar\n @app.route('/')\n",
    ],
)
def test_what_is_nobodys_address_is_left_alone(text):
    assert found(text) == []


@pytest.mark.parametrize("address", ["93.184.216.34", "185.199.108.153", "2606:2800:220:1:248:1893:25c8:1946"])
def test_public_ip_addresses_are_found(address):
    assert found(f'server = "{address}"\n') == [("ip_address", address)]
    assert found(f"http://[{address}]:80/" if ":" in address else f"http://{address}:80/") == [("ip_address", address)]


@pytest.mark.parametrize(
    "text",
    [
        "127.0.0.1 10.1.2.3 192.168.0.1 172.16.5.4 0.0.0.0 255.255.255.255 224.0.0.1",
        "192.0.2.1 198.51.100.7 203.0.113.9 8.8.8.8",
        "1.2.3.4 and section 6.10.3.1 of the standard",
        'version = "115.0.57.90"; v115.0.57.90; requires foo>=115.0.57.90',
        "oid 1.3.6.1.4.1.311.21; 2.5.29.17; 300.1.2.3; 93.184.216.34.5; 93.184.216.0",
        "::1 fe80::1 2001:db8::1 std::abc::def fe::add 12:34:56:78 00:1a:2b:3c:4d:5e a:b:c:d",
    ],
)
def test_private_and_documentation_addresses_versions_and_sections_are_left_alone(text):
    assert found(text) == []
