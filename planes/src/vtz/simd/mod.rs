//! What only a processor's own instructions do, and all that is `unsafe` here: loads and stores of
//! fixed size from slices of that size, and functions compiled for instructions that were detected.

#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "x86_64")]
mod sse2;
#[cfg(target_arch = "x86_64")]
mod x86;

use super::vector::Task;

/// Which instructions the kernels are made of. That there is a value means that the machine has them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Isa(Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Scalar,
    #[cfg(target_arch = "x86_64")]
    Sse2,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "aarch64")]
    Neon,
}

impl std::fmt::Debug for Isa {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl Isa {
    /// The reference, made of none in particular: the others agree with it bit for bit.
    pub const SCALAR: Self = Self(Kind::Scalar);

    /// The best that this machine has.
    pub fn best() -> Self {
        let all = Self::all();
        all[all.len() - 1]
    }

    /// All that this machine has, the reference first and the best last.
    #[cfg(target_arch = "x86_64")]
    pub fn all() -> &'static [Self] {
        static ALL: [Isa; 3] = [Isa::SCALAR, Isa(Kind::Sse2), Isa(Kind::Avx2)];
        if x86::has_avx2() { &ALL } else { &ALL[..2] }
    }

    /// All that this machine has, the reference first and the best last.
    #[cfg(target_arch = "aarch64")]
    pub fn all() -> &'static [Self] {
        &[Self::SCALAR, Self(Kind::Neon)]
    }

    /// All that this machine has, the reference first and the best last.
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub fn all() -> &'static [Self] {
        &[Self::SCALAR]
    }

    /// Does `task` with these instructions.
    pub(crate) fn run<T: Task>(self, task: T) -> T::Output {
        match self.0 {
            Kind::Scalar => task.scalar(),
            #[cfg(target_arch = "x86_64")]
            Kind::Sse2 => task.vector::<x86::Sse2>(),
            #[cfg(target_arch = "x86_64")]
            // SAFETY: only `all` makes this kind, where the machine has the instructions.
            Kind::Avx2 => unsafe { x86::with_avx2(task) },
            #[cfg(target_arch = "aarch64")]
            Kind::Neon => task.vector::<neon::Neon>(),
        }
    }
}
