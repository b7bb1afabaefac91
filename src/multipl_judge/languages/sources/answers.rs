
trait HarnessShow {
    fn harness_show(&self, out: &mut ::std::string::String);
}

macro_rules! harness_numbers {
    ($($kind:ty)*) => {
        $(impl HarnessShow for $kind {
            fn harness_show(&self, out: &mut ::std::string::String) {
                out.push_str(&self.to_string());
            }
        })*
    };
}
harness_numbers!(i8 i16 i32 i64 i128 isize u8 u16 u32 u64 u128 usize bool);

impl HarnessShow for f64 {
    fn harness_show(&self, out: &mut ::std::string::String) {
        out.push_str(&match self {
            _ if self.is_nan() => "NaN".to_string(),
            _ if self.is_infinite() => if *self > 0.0 { "Infinity" } else { "-Infinity" }.to_string(),
            _ => ::std::format!("{:?}", self),
        });
    }
}

impl HarnessShow for f32 {
    fn harness_show(&self, out: &mut ::std::string::String) {
        (*self as f64).harness_show(out);
    }
}

impl HarnessShow for str {
    fn harness_show(&self, out: &mut ::std::string::String) {
        out.push('"');
        for letter in self.chars() {
            match letter {
                '"' | '\\' => out.extend(['\\', letter]),
                '\0'..='\x1f' => out.push_str(&::std::format!("\\u{:04x}", letter as u32)),
                _ => out.push(letter),
            }
        }
        out.push('"');
    }
}

impl HarnessShow for char {
    fn harness_show(&self, out: &mut ::std::string::String) {
        self.to_string().harness_show(out);
    }
}

impl HarnessShow for ::std::string::String {
    fn harness_show(&self, out: &mut ::std::string::String) {
        self.as_str().harness_show(out);
    }
}

impl<T: HarnessShow + ?Sized> HarnessShow for &T {
    fn harness_show(&self, out: &mut ::std::string::String) {
        (**self).harness_show(out);
    }
}

impl<T: HarnessShow + ?Sized> HarnessShow for ::std::boxed::Box<T> {
    fn harness_show(&self, out: &mut ::std::string::String) {
        (**self).harness_show(out);
    }
}

impl<T: HarnessShow> HarnessShow for ::std::option::Option<T> {
    fn harness_show(&self, out: &mut ::std::string::String) {
        match self {
            ::std::option::Option::Some(value) => value.harness_show(out),
            ::std::option::Option::None => out.push_str("null"),
        }
    }
}

impl<T: HarnessShow> HarnessShow for [T] {
    fn harness_show(&self, out: &mut ::std::string::String) {
        out.push('[');
        for (place, value) in self.iter().enumerate() {
            if place > 0 {
                out.push(',');
            }
            value.harness_show(out);
        }
        out.push(']');
    }
}

impl<T: HarnessShow> HarnessShow for ::std::vec::Vec<T> {
    fn harness_show(&self, out: &mut ::std::string::String) {
        self.as_slice().harness_show(out);
    }
}

impl<T: HarnessShow, const N: usize> HarnessShow for [T; N] {
    fn harness_show(&self, out: &mut ::std::string::String) {
        self.as_slice().harness_show(out);
    }
}

macro_rules! harness_tuples {
    ($(($($name:ident $place:tt)+))*) => {
        $(impl<$($name: HarnessShow),+> HarnessShow for ($($name,)+) {
            fn harness_show(&self, out: &mut ::std::string::String) {
                let parts: &[&dyn HarnessShow] = &[$(&self.$place),+];
                harness_list(parts, out);
            }
        })*
    };
}
harness_tuples!((A 0) (A 0 B 1) (A 0 B 1 C 2) (A 0 B 1 C 2 D 3));

fn harness_list(parts: &[&dyn HarnessShow], out: &mut ::std::string::String) {
    parts.harness_show(out);
}

macro_rules! harness_maps {
    ($($kind:ident)*) => {
        $(impl<K: HarnessShow, V: HarnessShow> HarnessShow for ::std::collections::$kind<K, V> {
            fn harness_show(&self, out: &mut ::std::string::String) {
                out.push('{');
                for (place, (key, value)) in self.iter().enumerate() {
                    let mut name = ::std::string::String::new();
                    key.harness_show(&mut name);
                    let quotes = if name.starts_with('"') { "" } else { "\"" };
                    let comma = if place > 0 { "," } else { "" };
                    out.push_str(&::std::format!("{}{}{}{}:", comma, quotes, name, quotes));
                    value.harness_show(out);
                }
                out.push('}');
            }
        })*
    };
}
harness_maps!(HashMap BTreeMap);

fn harness_answer<T: HarnessShow>(value: T) {
    let mut text = ::std::string::String::new();
    value.harness_show(&mut text);
    ::std::println!("\nMARK{}", text);
}

fn main() {
CALLS
}
