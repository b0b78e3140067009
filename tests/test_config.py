"""What a configuration may say, and how what it may not say is refused."""

from pathlib import Path

import msgspec
import pytest

import feedhandler as fh
from feedhandler import config_file
from feedhandler.address import Address
from feedhandler.cli.demo import demo_config

CONFIGS = Path(__file__).parents[1] / "configs"

GOOD = """
protocol = "msgpack"
[wire]
wait = "spin"
[ring]
slots = 64
[arbitrate]
grace_us = 100
[[channel]]
name = "demo"
[[channel.line]]
name = "A"
address = "239.1.1.1:20001"
interface = "lo"
[[channel.line]]
name = "B"
address = "127.0.0.1:0"
"""


def load(folder: Path, text: str) -> fh.Config:
    path = folder / "feed.toml"
    path.write_text(text)
    return config_file.load(path)


def test_a_config_becomes_typed_values_and_the_rest_is_default(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD)
    assert config.protocol.name == "msgpack"
    assert (config.wire.wait, config.ring.slots, config.arbitrate.grace_us) == ("spin", 64, 100)
    assert config.ring.full == "leave_in_socket"
    (channel,) = config.channels
    assert [line.address for line in channel.lines] == [
        Address.of("239.1.1.1", 20001),
        Address.of("127.0.0.1", 0),
    ]
    assert [line.interface for line in channel.lines] == ["lo", None]


def test_a_config_cannot_be_changed(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD)
    with pytest.raises(AttributeError):
        config.ring.slots = 128  # type: ignore[misc]


def test_a_filter_names_instruments_by_symbol_and_by_number(tmp_path: Path) -> None:
    config = load(tmp_path, GOOD.replace("[wire]", '[filter]\ninstruments = ["XBT", 7]\n[wire]'))
    assert config.filter.instruments == ("XBT", 7)
    assert load(tmp_path, GOOD).filter.instruments is None


def test_the_default_interface_is_for_groups_only(tmp_path: Path) -> None:
    config = load(
        tmp_path, GOOD.replace('interface = "lo"', "").replace("[wire]", '[wire]\ninterface = "eth1"')
    )
    assert [line.interface for line in config.channels[0].lines] == ["eth1", None]


@pytest.mark.parametrize(
    ("change", "key", "said"),
    [
        (("slots", "slot"), "ring.slot", "an unknown key (did you mean 'slots'?)"),
        (("grace_us", "grace_ms"), "arbitrate.grace_ms", "did you mean 'grace_us'?"),
        (
            ("grace_us = 100", 'grace_us = "5ms"'),
            "arbitrate.grace_us",
            "expected an integer, or 'adaptive', found '5ms'",
        ),
        (("grace_us = 100", "grace_us = -1"), "arbitrate.grace_us", "found -1"),
        (("slots = 64", "slots = 100"), "ring.slots", "a power of two, such as 128, found 100"),
        (("slots = 64", "slots = 0"), "ring.slots", "found 0"),
        (('wait = "spin"', "sleep_us = 1_000_001"), "wire.sleep_us", "found 1000001"),
        (('wait = "spin"', 'wait = "spn"'), "wire.wait", "did you mean 'spin'?"),
        (("[wire]", "[wires]"), "wires", "did you mean 'wire'?"),
        (('"msgpack"', '"msgpak"'), "protocol", "did you mean 'msgpack'?"),
        (('"127.0.0.1:0"', '"127.0.0.1:70000"'), "channel[0].line[1].address (B)", "a port from 0 to 65535"),
        (('"127.0.0.1:0"', '"127.0.0.1"'), "channel[0].line[1].address (B)", "ADDRESS:PORT"),
        (('"127.0.0.1:0"', '"localhost:1"'), "channel[0].line[1].address (B)", "found 'localhost'"),
        (('"127.0.0.1:0"', '"::1:1"'), "channel[0].line[1].address (B)", "brackets around an IPv6 address"),
        (('"127.0.0.1:0"', '"239.1.1.9:0"'), "channel[0].line[1].address (B)", "a port other than 0"),
        (
            ('"127.0.0.1:0"', '"127.0.0.1:0"\ninterface = "lo"'),
            "channel[0].line[1].interface (B)",
            "multicast",
        ),
        (('wait = "spin"', 'backend = "pcap"'), "wire.backend", "'recvmmsg'"),
        (('"127.0.0.1:0"', '"127.0.0.1:0"\nsource = "somebody"'), "line[1].source (B)", "such as 10.0.0.1"),
        (('"127.0.0.1:0"', '"127.0.0.1:0"\nsource = ["::1"]'), "line[1].source (B)", "found '::1'"),
        (('"127.0.0.1:0"', '"[::1]:0"\nsource = "10.0.0.1"'), "line[1].source (B)", "such as fd00::1"),
        (
            ('"127.0.0.1:0"', '"127.0.0.1:0"\nsource = "239.1.1.1"'),
            "line[1].source (B)",
            "a sender's address",
        ),
        (
            ('"127.0.0.1:0"', '"127.0.0.1:0"\nsource = "10.0.0.1"\njoin = "any"'),
            "line[1].join (B)",
            "multicast group",
        ),
        (('name = "B"', 'name = "A"'), "channel[0].line[1].name (A)", "'A' again"),
        (('name = "demo"', 'name = ""'), "channel[0].name", "expected a name"),
        (('protocol = "msgpack"', ""), "feed.toml", "expected the key protocol"),
        (("[wire]", "[filter]\ninstrument = 7\n[wire]"), "filter.instrument", "did you mean 'instruments'?"),
        (("[wire]", "[filter]\ninstruments = 7\n[wire]"), "filter.instruments", "expected an array, found 7"),
        (("[wire]", "[filter]\ninstruments = []\n[wire]"), "filter.instruments", "at least one instrument"),
        (
            ("[wire]", "[filter]\ninstruments = [true]\n[wire]"),
            "filter.instruments[0]",
            "expected an integer or text, found True",
        ),
        (
            ("[wire]", "[filter]\ninstruments = ['A', -1]\n[wire]"),
            "filter.instruments[1]",
            "expected an integer from 0 to 4294967295, found -1",
        ),
    ],
)
def test_what_is_wrong_is_refused_with_its_key(
    tmp_path: Path, change: tuple[str, str], key: str, said: str
) -> None:
    with pytest.raises(fh.ConfigError) as refused:
        load(tmp_path, GOOD.replace(*change))
    assert key in str(refused.value)
    assert said in str(refused.value)
    assert refused.value.file == str(tmp_path / "feed.toml")


def test_a_ring_that_fits_no_mode_is_refused(tmp_path: Path) -> None:
    text = GOOD.replace('wait = "spin"', 'mode = "inline"').replace("slots = 64", 'full = "drop_newest"')
    with pytest.raises(fh.ConfigError, match=r"ring.full: expected 'leave_in_socket' with the mode inline"):
        load(tmp_path, text)
    text = GOOD.replace('wait = "spin"', 'backend = "gro"').replace("slots = 64", "slot_bytes = 9000")
    with pytest.raises(fh.ConfigError, match=r"ring.slot_bytes: expected 65535 with the backend gro"):
        load(tmp_path, text)


@pytest.mark.parametrize(
    ("backend", "layout"), [("recvmmsg", (8192, 2048)), ("recv", (8192, 2048)), ("gro", (1024, 65_535))]
)
def test_a_ring_that_is_left_out_is_as_the_backend_needs_it(
    tmp_path: Path, backend: str, layout: tuple[int, int]
) -> None:
    text = GOOD.replace('wait = "spin"', f'backend = "{backend}"').replace("slots = 64", "")
    config = load(tmp_path, text)
    assert config.ring.layout(config.wire.backend) == layout


def test_a_line_may_name_one_source_or_several(tmp_path: Path) -> None:
    several = 'name = "A"\nsource = ["10.0.0.1", "10.0.0.2"]\njoin = "any"'
    text = GOOD.replace('name = "A"', several).replace('name = "B"', 'name = "B"\nsource = "10.0.0.3"')
    a, b = load(tmp_path, text).channels[0].lines
    assert ([str(source) for source in a.sources], a.join) == (["10.0.0.1", "10.0.0.2"], "any")
    assert ([str(source) for source in b.sources], b.join) == (["10.0.0.3"], "source")


def test_one_group_of_two_sources_is_two_lines(tmp_path: Path) -> None:
    text = GOOD.replace('name = "A"', 'name = "A"\nsource = "10.0.0.1"').replace(
        '"127.0.0.1:0"', '"239.1.1.1:20001"\ninterface = "lo"\nsource = "10.0.0.2"'
    )
    assert len(load(tmp_path, text).channels[0].lines) == 2


def test_two_lines_cannot_have_one_address(tmp_path: Path) -> None:
    text = GOOD.replace("127.0.0.1:0", "239.1.1.1:20001").replace('interface = "lo"', "")
    with pytest.raises(
        fh.ConfigError, match=r"an address of its own, found 239\.1\.1\.1:20001, as demo/A has it"
    ):
        load(tmp_path, text)


def test_one_group_on_two_interfaces_is_two_lines(tmp_path: Path) -> None:
    text = GOOD.replace('"127.0.0.1:0"', '"239.1.1.1:20001"\ninterface = "eth1"')
    assert len(load(tmp_path, text).channels[0].lines) == 2


def test_two_channels_cannot_have_one_name(tmp_path: Path) -> None:
    again = '[[channel]]\nname = "demo"\n[[channel.line]]\nname = "A"\naddress = "127.0.0.1:0"\n'
    with pytest.raises(fh.ConfigError, match=r"channel\[1\].name \(demo\): expected each name once"):
        load(tmp_path, GOOD + again)


def test_no_channel_is_refused(tmp_path: Path) -> None:
    with pytest.raises(fh.ConfigError, match="channel"):
        load(tmp_path, 'protocol = "msgpack"\nchannel = []\n')


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(fh.ConfigError, match=r"nowhere.toml: expected a readable file, found no such file"):
        config_file.load(tmp_path / "nowhere.toml")


def test_a_declaration_is_found_beside_the_config(tmp_path: Path) -> None:
    declaration = Path(config_file.__file__).parent / "protocols" / "msgpack.toml"
    (tmp_path / "mine.toml").write_text(
        declaration.read_text().replace('name = "msgpack"', 'name = "mine"', 1)
    )
    config = load(tmp_path, GOOD.replace('"msgpack"', '"mine.toml"'))
    assert config.protocol.name == "mine"


FEEDS = sorted(path for path in CONFIGS.glob("*.toml") if path.name != "exchange.toml")


@pytest.mark.parametrize("path", FEEDS, ids=lambda path: path.name)
def test_every_example_can_be_loaded(path: Path) -> None:
    assert config_file.load(path).channels


def test_the_example_that_shows_every_key_shows_the_defaults() -> None:
    shown = config_file.load(CONFIGS / "itch50.toml")
    plain = fh.Config(protocol=shown.protocol, channels=shown.channels)
    for stage in ("wire", "ring", "arbitrate", "batch", "latency"):
        assert getattr(shown, stage) == getattr(plain, stage)
    text = (CONFIGS / "itch50.toml").read_text()
    for table in (plain.wire, plain.ring, plain.arbitrate, plain.batch, plain.latency):
        for key in msgspec.structs.fields(table):
            assert f"{key.encode_name} = " in text


def test_the_demo_is_the_demo_config_on_other_ports() -> None:
    shown, made = config_file.load(CONFIGS / "demo.toml"), demo_config(20001, 20002)
    assert msgspec.structs.replace(shown, protocol=made.protocol) == made
    assert shown.protocol.name == made.protocol.name
