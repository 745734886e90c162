//! What stands in a protobuf message: numbered fields. Knows nothing of what they are called. Pure.

/// What is said of what ends in the middle, or is no message at all.
pub(super) const BROKEN: &str = "the body of the request is no object in Kubernetes' protobuf";

/// What stands in a message.
#[derive(Clone, Copy)]
pub(super) enum Content<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

pub(super) fn bytes(content: Content<'_>) -> Result<&[u8], String> {
    match content {
        Content::Bytes(bytes) => Ok(bytes),
        Content::Number(_) => Err(BROKEN.into()),
    }
}

pub(super) fn text(content: Content<'_>) -> Result<String, String> {
    std::str::from_utf8(bytes(content)?).map(str::to_owned).map_err(|_| BROKEN.into())
}

pub(super) fn number(content: Content<'_>) -> Result<i64, String> {
    match content {
        // Negative ones are sent as their two's complement.
        Content::Number(number) => Ok(number.cast_signed()),
        Content::Bytes(_) => Err(BROKEN.into()),
    }
}

/// The fields of a message, in order.
pub(super) fn fields(bytes: &[u8]) -> Result<Vec<(u64, Content<'_>)>, String> {
    walk(bytes).ok_or_else(|| BROKEN.into())
}

fn walk(mut bytes: &[u8]) -> Option<Vec<(u64, Content<'_>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes)?;
        let content = match tag & 7 {
            0 => Content::Number(varint(&mut bytes)?),
            2 => {
                let length = usize::try_from(varint(&mut bytes)?).ok()?;
                let (content, rest) = bytes.split_at_checked(length)?;
                bytes = rest;
                Content::Bytes(content)
            }
            _ => return None,
        };
        found.push((tag >> 3, content));
    }
    Some(found)
}

fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}
