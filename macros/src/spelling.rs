//! What a misspelt word was meant to be.

/// The one of `known` that `written` was probably meant to be.
pub(crate) fn did_you_mean<'k>(written: &str, known: &[&'k str]) -> Option<&'k str> {
    known
        .iter()
        .copied()
        .map(|word| (distance(written, word), word))
        .filter(|(distance, word)| *distance <= word.len().div_ceil(3))
        .min()
        .map(|(_, word)| word)
}

/// How many letters to insert, drop, replace or swap with their neighbour; case and underscores don't count.
fn distance(a: &str, b: &str) -> usize {
    let letters = |word: &str| {
        word.to_lowercase()
            .chars()
            .filter(|c| *c != '_')
            .collect::<Vec<_>>()
    };
    let (a, b) = (letters(a), letters(b));
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut least = replaced.min(rows[i - 1][j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            row.push(least);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_a_slip_apart_are_recognised() {
        let known = ["on_cancel", "setup", "own", "suppress"];
        assert_eq!(did_you_mean("oncancel", &known), Some("on_cancel"));
        assert_eq!(did_you_mean("on_cancle", &known), Some("on_cancel"));
        assert_eq!(did_you_mean("supress", &known), Some("suppress"));
        assert_eq!(did_you_mean("owns", &known), Some("own"));
        assert_eq!(did_you_mean("timeout", &known), None);
    }
}
