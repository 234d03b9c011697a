//! UTF-7 (RFC 2152), for reading old mail.

/// The octets as text.
pub(super) fn decode(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len());
    let mut rest = octets;
    while let Some((&first, after)) = rest.split_first() {
        if first != b'+' {
            let end = rest.iter().position(|b| *b == b'+').unwrap_or(rest.len());
            let (plain, next) = rest.split_at(end);
            text.push_str(&String::from_utf8_lossy(plain));
            rest = next;
            continue;
        }
        let end = after
            .iter()
            .position(|b| value(*b).is_none())
            .unwrap_or(after.len());
        let (run, next) = after.split_at(end);
        let explicit = next.first() == Some(&b'-');
        if run.is_empty() {
            text.push('+');
        } else {
            push_run(run, &mut text);
        }
        rest = if explicit {
            next.get(1..).unwrap_or_default()
        } else {
            next
        };
    }
    text
}

fn push_run(run: &[u8], text: &mut String) {
    let mut units = Vec::with_capacity(run.len().saturating_mul(3) / 8);
    let mut bits = 0_u32;
    let mut count = 0_u32;
    for digit in run.iter().filter_map(|b| value(*b)) {
        bits = (bits << 6 | digit) & 0x3f_ffff;
        count = count.saturating_add(6);
        if let Some(left) = count.checked_sub(16) {
            count = left;
            units.push(u16::try_from(bits >> left & 0xffff).unwrap_or_default());
        }
    }
    text.extend(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)));
}

fn value(b: u8) -> Option<u32> {
    let digit = match b {
        b'A'..=b'Z' => b.saturating_sub(b'A'),
        b'a'..=b'z' => b.saturating_sub(b'a').saturating_add(26),
        b'0'..=b'9' => b.saturating_sub(b'0').saturating_add(52),
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    };
    Some(u32::from(digit))
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn examples_of_rfc_2152() {
        assert_eq!(decode(b"A+ImIDkQ."), "A\u{2262}\u{391}.");
        assert_eq!(decode(b"Hi Mom -+Jjo--!"), "Hi Mom -\u{263a}-!");
        assert_eq!(decode(b"+ZeVnLIqe-"), "日本語");
        assert_eq!(decode(b"1 +- 1"), "1 + 1");
        assert_eq!(decode(b"+2D3eAA-"), "\u{1f600}");
    }
}
