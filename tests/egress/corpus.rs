//! The list of addresses that must never be called, in every spelling that some parser reads as one of them.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// IPv4 addresses that are not public ones: each range's ends, and the places where something answers.
pub(crate) const V4: [[u8; 4]; 50] = [
    [0, 0, 0, 0],
    [0, 0, 0, 1],
    [0, 255, 255, 255],
    [10, 0, 0, 0],
    [10, 0, 0, 1],
    [10, 255, 255, 255],
    [100, 64, 0, 0],
    [100, 64, 0, 1],
    [100, 100, 100, 200],
    [100, 127, 255, 255],
    [127, 0, 0, 0],
    [127, 0, 0, 1],
    [127, 0, 0, 2],
    [127, 0, 1, 1],
    [127, 255, 255, 255],
    [168, 63, 129, 16],
    [169, 254, 0, 0],
    [169, 254, 169, 123],
    [169, 254, 169, 254],
    [169, 254, 170, 2],
    [169, 254, 255, 255],
    [172, 16, 0, 0],
    [172, 16, 0, 1],
    [172, 17, 0, 1],
    [172, 31, 255, 255],
    [192, 0, 0, 0],
    [192, 0, 0, 170],
    [192, 0, 0, 192],
    [192, 0, 0, 255],
    [192, 0, 2, 1],
    [192, 0, 2, 255],
    [192, 88, 99, 1],
    [192, 88, 99, 255],
    [192, 168, 0, 0],
    [192, 168, 0, 1],
    [192, 168, 1, 1],
    [192, 168, 255, 255],
    [198, 18, 0, 1],
    [198, 19, 255, 255],
    [198, 51, 100, 1],
    [198, 51, 100, 255],
    [203, 0, 113, 1],
    [203, 0, 113, 255],
    [224, 0, 0, 1],
    [224, 0, 0, 251],
    [239, 255, 255, 250],
    [239, 255, 255, 255],
    [240, 0, 0, 1],
    [255, 255, 255, 254],
    [255, 255, 255, 255],
];

/// IPv6 addresses that are not public ones and carry none of IPv4.
pub(crate) const V6: [&str; 40] = [
    "::",
    "::1",
    "::2",
    "100::",
    "100::1",
    "100:0:0:1::1",
    "64:ff9b:1::1",
    "64:ff9b:1:ffff:ffff:ffff:ffff:ffff",
    "2001::",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:1::1",
    "2001:1::2",
    "2001:2::1",
    "2001:2:0:ffff:ffff:ffff:ffff:ffff",
    "2001:10::1",
    "2001:20::1",
    "2001:1ff:ffff:ffff:ffff:ffff:ffff:ffff",
    "2001:db8::",
    "2001:db8::1",
    "2001:db8:ffff:ffff:ffff:ffff:ffff:ffff",
    "3fff::1",
    "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
    "4000::1",
    "5f00::1",
    "8000::1",
    "fc00::",
    "fc00::1",
    "fd00::1",
    "fd00:ec2::23",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe80::",
    "fe80::1",
    "febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fec0::1",
    "feff::1",
    "ff02::1",
    "ff05::1:3",
    "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
];

/// What stands directly beside the refused ranges, and well-known public services.
pub(crate) const PUBLIC: [&str; 24] = [
    "1.0.0.0",
    "1.1.1.1",
    "8.8.8.8",
    "9.255.255.255",
    "11.0.0.0",
    "100.63.255.255",
    "100.128.0.0",
    "126.255.255.255",
    "128.0.0.0",
    "169.253.255.255",
    "169.255.0.0",
    "172.15.255.255",
    "172.32.0.0",
    "192.0.1.0",
    "192.0.3.0",
    "192.167.255.255",
    "192.169.0.0",
    "198.17.255.255",
    "198.20.0.0",
    "223.255.255.255",
    "2001:200::1",
    "2606:4700:4700::1111",
    "2a00:1450::1",
    "2003::1",
];

/// Every address of the list, IPv4 also inside of the IPv6 forms that carry it.
pub(crate) fn addresses() -> Vec<IpAddr> {
    let plain = V4.iter().map(|&octets| IpAddr::from(octets));
    let carried = V4.iter().flat_map(|&octets| carriers(octets.into()).map(IpAddr::V6));
    plain.chain(carried).chain(V6.iter().map(|text| text.parse().unwrap())).collect()
}

/// Mapped, compatible, translated, both NAT64 prefixes, 6to4, Teredo (the address inverted), ISATAP.
fn carriers(address: Ipv4Addr) -> impl Iterator<Item = Ipv6Addr> {
    let [a, b, c, d] = address.octets().map(u16::from);
    let (high, low) = (a << 8 | b, c << 8 | d);
    [
        [0, 0, 0, 0, 0, 0xffff, high, low],
        [0, 0, 0, 0, 0, 0, high, low],
        [0, 0, 0, 0, 0xffff, 0, high, low],
        [0x64, 0xff9b, 0, 0, 0, 0, high, low],
        [0x64, 0xff9b, 1, 0, 0, 0, high, low],
        [0x2002, high, low, 0, 0, 0, 0, 1],
        [0x2001, 0, 0x4136, 0xe378, 0x8000, 0x63bf, !high, !low],
        [0xfe80, 0, 0, 0, 0, 0x5efe, high, low],
    ]
    .into_iter()
    .map(Ipv6Addr::from)
}

/// Hosts: the spellings that C libraries, browsers and RFC 3986 readers take for `address`.
fn spellings(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets();
    let whole = u32::from(address);
    let wide: String = address.to_string().chars().map(|c| if c == '.' { '.' } else { full_width(c) }).collect();
    vec![
        format!("{a}.{b}.{c}.{d}"),
        format!("{a}.{b}.{c}.{d}."),
        format!("{whole}"),
        format!("{whole:#x}"),
        format!("{whole:#X}").replace("0X", "0x"),
        format!("0{whole:o}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("0x{a:08x}.0x{b:08x}.0x{c:08x}.0x{d:08x}"),
        format!("000{a:03o}.000{b:03o}.000{c:03o}.000{d:03o}"),
        format!("{a}.{}", whole & 0x00ff_ffff),
        format!("{a}.{b}.{}", whole & 0xffff),
        format!("{a:#x}.{b}.0{c:o}.{d}"),
        wide,
        format!("{a}。{b}。{c}。{d}"),
        format!("{a}%2E{b}%2e{c}%2E{d}"),
        address.to_string().bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02x}")),
    ]
}

fn full_width(c: char) -> char {
    c.to_digit(10).and_then(|digit| char::from_u32(0xff10 + digit)).unwrap_or(c)
}

/// Names and URLs that mean a host of the machine or of its cloud, or hide the host behind another.
const OTHERS: [&str; 48] = [
    "https://localhost/",
    "https://localhost./",
    "https://LOCALHOST/",
    "https://LocalHost./",
    "https://a.localhost/",
    "https://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ/",
    "https://ｌｏｃａｌｈｏｓｔ/",
    "https://loc%61lhost/",
    "https://metadata/",
    "https://metadata.google.internal/",
    "https://metadata.google.internal./",
    "https://instance-data/",
    "https://kubernetes.default.svc/",
    "https://kubernetes.default.svc.cluster.local/",
    "https://127.0.0.1.nip.io/",
    "https://7f000001.nip.io/",
    "https://localtest.me/",
    "https://good.test@127.0.0.1/",
    "https://good.test:443@127.0.0.1/",
    "https://good.test%40127.0.0.1/",
    "https://good.test\\@127.0.0.1/",
    "https://127.0.0.1\\.good.test/",
    "https://127.0.0.1#@good.test/",
    "https://127.0.0.1?@good.test/",
    "https://127.0.0.1\t/",
    "https://127.0.0.1%00.good.test/",
    "https://127.0.0.1%09/",
    "https:127.0.0.1/",
    "https:/127.0.0.1/",
    "https:///127.0.0.1/",
    "https:\\\\127.0.0.1\\",
    "//127.0.0.1/",
    "http:127.0.0.1",
    "http://good.test/",
    "http://good.test:443/",
    "https://user@good.test/",
    "https://:pass@good.test/",
    "https://good.test:22/",
    "https://good.test:8443/",
    "https://good.test.evil.test/",
    "https://evilgood.test/",
    "https://good.test.\u{ad}evil.test/",
    "ftp://good.test/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_PING",
    "unix:/run/x.sock",
    "data:text/plain,x",
    "jar:https://good.test!/",
];

/// Every case, once, in a stable order.
pub(crate) fn refused() -> Vec<String> {
    let v4 = V4.iter().flat_map(|&octets| spellings(octets.into()));
    let v6 = addresses().into_iter().filter_map(|address| match address {
        IpAddr::V6(address) => Some(address),
        IpAddr::V4(_) => None,
    });
    let v6 = v6.flat_map(|address| {
        let long = address.segments().map(|part| format!("{part:04X}")).join(":");
        let mixed = address.to_ipv4_mapped().map(|inner| format!("[::ffff:{inner}]"));
        [Some(format!("[{address}]")), Some(format!("[{long}]")), mixed].into_iter().flatten()
    });
    let hosts: BTreeSet<String> = v4.chain(v6).collect();
    let hosts = hosts.into_iter().map(|host| format!("https://{host}/"));
    hosts.chain(OTHERS.iter().map(|&url| url.to_owned())).collect()
}
