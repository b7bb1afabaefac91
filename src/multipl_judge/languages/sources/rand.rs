//! A stand-in for version 0.4 of the crate `rand`, with the part of it that HumanEval-X uses. Later versions have
//! another interface. Its numbers are the same in every run, so that verdicts are too.

use std::cell::Cell;

pub trait Random {
    fn from_bits(bits: u64) -> Self;
}

pub trait Between: Sized {
    fn between(bits: u64, low: Self, high: Self) -> Self;
}

macro_rules! integers {
    ($($name:ty),*) => {$(
        impl Random for $name {
            fn from_bits(bits: u64) -> Self {
                bits as $name
            }
        }
        impl Between for $name {
            fn between(bits: u64, low: Self, high: Self) -> Self {
                assert!(low < high, "Rng.gen_range called with low >= high");
                (low as i128 + (bits as i128) % (high as i128 - low as i128)) as $name
            }
        }
    )*};
}

integers!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

fn unit(bits: u64) -> f64 {
    (bits >> 11) as f64 / (1u64 << 53) as f64
}

impl Random for bool {
    fn from_bits(bits: u64) -> Self {
        bits >> 63 == 1
    }
}

macro_rules! floats {
    ($($name:ty),*) => {$(
        impl Random for $name {
            fn from_bits(bits: u64) -> Self {
                unit(bits) as $name
            }
        }
        impl Between for $name {
            fn between(bits: u64, low: Self, high: Self) -> Self {
                assert!(low < high, "Rng.gen_range called with low >= high");
                low + (high - low) * unit(bits) as $name
            }
        }
    )*};
}

floats!(f32, f64);

pub trait Rng {
    fn next_u64(&mut self) -> u64;

    fn gen<T: Random>(&mut self) -> T
    where
        Self: Sized,
    {
        T::from_bits(self.next_u64())
    }

    fn gen_range<T: Between>(&mut self, low: T, high: T) -> T
    where
        Self: Sized,
    {
        T::between(self.next_u64(), low, high)
    }
}

pub struct ThreadRng;

thread_local!(static STATE: Cell<u64> = const { Cell::new(0) });

impl Rng for ThreadRng {
    /// SplitMix64 (Steele, Lea and Flood, 2014).
    fn next_u64(&mut self) -> u64 {
        STATE.with(|state| {
            let sum = state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
            state.set(sum);
            let mut bits = sum;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bits ^ (bits >> 31)
        })
    }
}

pub fn thread_rng() -> ThreadRng {
    ThreadRng
}

pub fn random<T: Random>() -> T {
    thread_rng().gen()
}
