//! SSE2's intrinsics without `unsafe`.

use std::arch::x86_64::{self, __m128i};

macro_rules! safe {
    ($($name:ident$(<$by:ident>)?($($argument:ident: $type:ty),*) -> $result:ty;)*) => {$(
        #[inline(always)]
        pub(super) fn $name$(<const $by: i32>)?($($argument: $type),*) -> $result {
            // SAFETY: every x86-64 has SSE2, and these take and give values only.
            unsafe { x86_64::$name$(::<$by>)?($($argument),*) }
        }
    )*};
}

safe! {
    _mm_add_epi8(a: __m128i, b: __m128i) -> __m128i;
    _mm_sub_epi8(a: __m128i, b: __m128i) -> __m128i;
    _mm_and_si128(a: __m128i, b: __m128i) -> __m128i;
    _mm_andnot_si128(a: __m128i, b: __m128i) -> __m128i;
    _mm_or_si128(a: __m128i, b: __m128i) -> __m128i;
    _mm_xor_si128(a: __m128i, b: __m128i) -> __m128i;
    _mm_min_epu8(a: __m128i, b: __m128i) -> __m128i;
    _mm_max_epu8(a: __m128i, b: __m128i) -> __m128i;
    _mm_avg_epu8(a: __m128i, b: __m128i) -> __m128i;
    _mm_add_epi64(a: __m128i, b: __m128i) -> __m128i;
    _mm_add_epi32(a: __m128i, b: __m128i) -> __m128i;
    _mm_add_epi16(a: __m128i, b: __m128i) -> __m128i;
    _mm_sub_epi16(a: __m128i, b: __m128i) -> __m128i;
    _mm_sad_epu8(a: __m128i, b: __m128i) -> __m128i;
    _mm_unpacklo_epi8(a: __m128i, b: __m128i) -> __m128i;
    _mm_unpackhi_epi8(a: __m128i, b: __m128i) -> __m128i;
    _mm_unpacklo_epi16(a: __m128i, b: __m128i) -> __m128i;
    _mm_unpackhi_epi16(a: __m128i, b: __m128i) -> __m128i;
    _mm_cmpgt_epi8(a: __m128i, b: __m128i) -> __m128i;
    _mm_cmpeq_epi8(a: __m128i, b: __m128i) -> __m128i;
    _mm_packus_epi16(a: __m128i, b: __m128i) -> __m128i;
    _mm_packs_epi16(a: __m128i, b: __m128i) -> __m128i;
    _mm_min_epi16(a: __m128i, b: __m128i) -> __m128i;
    _mm_max_epi16(a: __m128i, b: __m128i) -> __m128i;
    _mm_avg_epu16(a: __m128i, b: __m128i) -> __m128i;
    _mm_madd_epi16(a: __m128i, b: __m128i) -> __m128i;
    _mm_sra_epi16(a: __m128i, b: __m128i) -> __m128i;
    _mm_sll_epi16(a: __m128i, b: __m128i) -> __m128i;
    _mm_slli_si128<BY>(a: __m128i) -> __m128i;
    _mm_srli_si128<BY>(a: __m128i) -> __m128i;
    _mm_slli_epi16<BY>(a: __m128i) -> __m128i;
    _mm_srli_epi16<BY>(a: __m128i) -> __m128i;
    _mm_srai_epi16<BY>(a: __m128i) -> __m128i;
    _mm_shuffle_epi32<BY>(a: __m128i) -> __m128i;
    _mm_shufflelo_epi16<BY>(a: __m128i) -> __m128i;
    _mm_setzero_si128() -> __m128i;
    _mm_set1_epi8(value: i8) -> __m128i;
    _mm_set1_epi16(value: i16) -> __m128i;
    _mm_set1_epi64x(value: i64) -> __m128i;
    _mm_cvtsi32_si128(value: i32) -> __m128i;
    _mm_cvtsi128_si32(a: __m128i) -> i32;
    _mm_movemask_epi8(a: __m128i) -> i32;
}
