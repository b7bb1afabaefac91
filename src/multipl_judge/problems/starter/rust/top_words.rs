use std::collections::HashMap;

/// Returns the most frequent words of text, the most frequent first.
///
/// A word is a run of letters; it counts and is returned in lower case. Equally frequent
/// words are in alphabetical order. There are count of them, or all if text holds fewer.
///
/// ```
/// assert_eq!(top_words("The cat saw the dog.", 2), ["the", "cat"]);
/// ```
fn top_words(text: &str, count: usize) -> Vec<String> {
// --- solution
    let lower = text.to_lowercase();
    let mut frequencies = HashMap::new();
    for word in lower.split(|letter: char| !letter.is_ascii_alphabetic()) {
        if !word.is_empty() {
            *frequencies.entry(word).or_insert(0) += 1;
        }
    }
    let mut ranking: Vec<(&str, i32)> = frequencies.into_iter().collect();
    ranking.sort_by_key(|&(word, frequency)| (-frequency, word));
    ranking
        .into_iter()
        .take(count)
        .map(|(word, _)| word.to_string())
        .collect()
}
