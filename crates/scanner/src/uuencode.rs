//! Files in the text of a message, as they were sent before there was MIME (POSIX, uuencode). Mail programs still show them as
//! attachments.

/// A line of 63 octets is the longest.
const LONGEST_LINE: usize = 128;

/// The files in a text, each with its name, `most` of them. One that breaks off is as long as it was.
pub(crate) fn files(text: &[u8], most: usize) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut is_inside = false;
    for line in text.split(|octet| *octet == b'\n') {
        let line = line.trim_ascii_end();
        if let Some(name) = begins(line) {
            if files.len() >= most {
                break;
            }
            files.push((name, Vec::new()));
            is_inside = true;
        } else if line == b"end" || line.len() > LONGEST_LINE {
            is_inside = false;
        } else if let Some((_, data)) = files.last_mut().filter(|_| is_inside) {
            decode(line, data);
        }
    }
    files
}

/// `begin 644 name`
fn begins(line: &[u8]) -> Option<String> {
    let line = std::str::from_utf8(line.strip_prefix(b"begin ")?).ok()?;
    let (mode, name) = line.split_once(' ')?;
    let is_mode = (3..=4).contains(&mode.len()) && mode.bytes().all(|c| matches!(c, b'0'..=b'7'));
    (is_mode && !name.trim().is_empty()).then(|| name.trim().to_owned())
}

/// The first character says how many octets there are, each four after it make three.
fn decode(line: &[u8], data: &mut Vec<u8>) {
    let Some((length, digits)) = line.split_first() else {
        return;
    };
    let six = |octet: &u8| u32::from(octet.wrapping_sub(b' ') & 63);
    let mut left = usize::from(length.wrapping_sub(b' ') & 63);
    for group in digits.chunks(4) {
        let shifts = [18, 12, 6, 0];
        let bits = group.iter().zip(shifts);
        let bits = bits.fold(0, |all, (octet, shift)| all | (six(octet) << shift));
        let [_, octets @ ..] = bits.to_be_bytes();
        data.extend(octets.iter().take(left));
        left = left.saturating_sub(octets.len());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_found_in_a_text() {
        let text = b"See below.\r\nbegin 644 cat.txt\r\n#0V%T\r\n`\r\nend\r\nbegin the day\nbegin 0755 b c.exe\n!30``\n";
        let found = files(text, 9);
        let expected = [
            ("cat.txt".to_owned(), b"Cat".to_vec()),
            ("b c.exe".to_owned(), b"M".to_vec()),
        ];
        assert_eq!(found, expected);
        assert_eq!(files(text, 1).len(), 1);
        assert!(files(b"begin 644\nbegin 999 x\n", 9).is_empty());
    }
}
