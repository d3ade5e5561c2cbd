//! Pictures that are not decoded, until decoding can go on.

use super::stream::AccessUnit;
use vtremote_backend::Error;
use vtremote_bitstream::ParameterSets;

/// The most pictures that are passed over before parameter sets by which none can be decoded are believed: ten
/// seconds, at 30 a second.
const MOST_IN_DOUBT: u64 = 300;

/// What was passed over so far, for want of a keyframe or of parameter sets that can be used.
#[derive(Default)]
pub(crate) struct PassedOver {
    pictures: u64,
    doubt: Option<Doubt>,
}

/// Parameter sets that may be damaged.
pub(crate) struct Doubt {
    /// What is wrong with the stream if they are not.
    error: Error,
    /// The picture that they came with.
    unit: AccessUnit,
    /// Damage is the likelier: of the sets before no more than a byte is another. No stream becomes another kind
    /// of stream so, as that is a matter of its profile too.
    likely: bool,
}

impl Doubt {
    /// `before` are the parameter sets before, if these are new.
    pub(crate) fn new(
        error: Error,
        unit: AccessUnit,
        before: Option<&ParameterSets>,
        sets: &ParameterSets,
    ) -> Self {
        Doubt { error, unit, likely: before.is_some_and(|before| differ_in_a_byte(before, sets)) }
    }
}

impl PassedOver {
    /// Whether decoding may go on with this picture.
    pub(crate) fn may_end_with(&self, unit: &AccessUnit) -> bool {
        unit.keyframe || (self.doubt.is_some() && unit.tells_sps)
    }

    /// Whether this picture, too, comes with the parameter sets that are in doubt. What is damaged is damaged
    /// once; but a packet may come twice.
    pub(crate) fn is_told_again(&self, unit: &AccessUnit) -> bool {
        let other = |doubt: &Doubt| doubt.unit.slices != unit.slices;
        unit.tells_sps && self.doubt.as_ref().is_some_and(other)
    }

    /// A picture is passed over since its parameter sets are in doubt; `new` if those before were others.
    ///
    /// # Errors
    /// As [`PassedOver::another`].
    pub(crate) fn doubt(&mut self, doubt: Doubt, new: bool) -> Result<(), Error> {
        if new || self.doubt.is_none() {
            self.doubt = Some(doubt);
        }
        self.another()
    }

    /// A picture is passed over.
    ///
    /// # Errors
    /// The doubt's, if this has gone on for so long that the stream can only be what it says.
    pub(crate) fn another(&mut self) -> Result<(), Error> {
        self.pictures += 1;
        match &self.doubt {
            Some(doubt) if self.pictures > MOST_IN_DOUBT => Err(doubt.error.clone()),
            _ => Ok(()),
        }
    }

    /// No more pictures come. Gives the doubt's error, unless there is no doubt or the sets look damaged.
    pub(crate) fn end(&mut self) -> Option<Error> {
        self.doubt.take_if(|doubt| !doubt.likely).map(|doubt| doubt.error)
    }

    /// What there is to say of it, when it is over.
    pub(crate) fn told(self) -> Option<String> {
        let Self { pictures, doubt } = self;
        let lacked = match doubt {
            Some(_) => "parameter sets to decode them by",
            None => "keyframe to begin with",
        };
        (pictures > 0).then(|| format!("{pictures} pictures before it had no {lacked}"))
    }
}

fn differ_in_a_byte(one: &ParameterSets, other: &ParameterSets) -> bool {
    if !one.iter().map(<[u8]>::len).eq(other.iter().map(<[u8]>::len)) {
        return false;
    }
    let bytes = one.iter().flatten().zip(other.iter().flatten());
    bytes.filter(|(one, other)| one != other).count() == 1
}

#[cfg(test)]
mod tests {
    use super::*;
    use vtremote_bitstream::Codec;

    #[test]
    fn a_turned_bit_looks_like_damage_and_another_profile_does_not() {
        let sets = |nals: &[&[u8]]| {
            let mut sets = ParameterSets::new(Codec::H264);
            assert!(nals.iter().all(|nal| sets.insert(nal)));
            sets
        };
        let before = sets(&[&[0x67, 100, 0, 30, 0x80, 7], &[0x68, 0x80]]);
        let damaged = sets(&[&[0x67, 100, 0, 30, 0x80, 5], &[0x68, 0x80]]);
        let changed = sets(&[&[0x67, 122, 0, 30, 0x80, 5], &[0x68, 0x80]]);
        let longer = sets(&[&[0x67, 100, 0, 30, 0x80, 7, 1], &[0x68, 0x80]]);
        assert!(differ_in_a_byte(&before, &damaged));
        assert!(!differ_in_a_byte(&before, &changed));
        assert!(!differ_in_a_byte(&before, &longer));
        assert!(!differ_in_a_byte(&before, &before));
    }
}
