#include <algorithm>
#include <cctype>
#include <cmath>
#include <functional>
#include <iomanip>
#include <map>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

using namespace std;

// Returns the most frequent words of text, the most frequent first.
// A word is a run of letters; it counts and is returned in lower case. Equally frequent
// words are in alphabetical order. There are count of them, or all if text holds fewer.
//
//     top_words("The cat saw the dog.", 2) == {"the", "cat"}
vector<string> top_words(const string& text, int count) {
// --- solution
    map<string, int> frequencies;
    string word;
    for (char letter : text + " ") {
        if (isalpha(letter)) {
            word += static_cast<char>(tolower(letter));
        } else if (!word.empty()) {
            frequencies[word]++;
            word.clear();
        }
    }
    vector<pair<int, string>> ranking;
    for (const auto& [known, frequency] : frequencies) {
        ranking.emplace_back(-frequency, known);
    }
    sort(ranking.begin(), ranking.end());
    vector<string> words;
    for (size_t i = 0; i < ranking.size() && i < static_cast<size_t>(count); i++) {
        words.push_back(ranking[i].second);
    }
    return words;
}
