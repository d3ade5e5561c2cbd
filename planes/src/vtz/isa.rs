/// Which instructions the kernels are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isa {
    /// None in particular: the reference that the others agree with, bit for bit.
    Scalar,
}

impl Isa {
    /// The best that this machine has.
    pub fn best() -> Self {
        Self::Scalar
    }

    /// All that this machine has, the reference first and the best last.
    pub fn all() -> &'static [Self] {
        &[Self::Scalar]
    }
}
