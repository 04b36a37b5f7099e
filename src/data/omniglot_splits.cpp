#include "base/json.h"
#include "episode_classes.h"
#include "omniglot.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <map>

#include <ufo/base/error.h>
#include <ufo/base/printable.h>
#include <ufo/base/random.h>

namespace ufo::data {
namespace {

/// The characters of each split, as indices.
using Characters = std::array<std::vector<int32_t>, 3>;

/// Finn, Abbeel and Levine (2017), and Nichol, Achiam and Schulman (2018): all characters shuffled, then cut.
Characters shuffled(const std::vector<std::string>& names, uint64_t seed,
                    const std::array<int64_t, 3>& sizes) {
  const auto count = static_cast<uint32_t>(names.size());
  const std::vector<uint32_t> order = RandomStream(seed, Purpose::split, 0).sample(count, count);
  Characters characters;
  auto next = order.begin();
  for (size_t split = 0; split < characters.size(); ++split) {
    const auto end = next + std::min<int64_t>(sizes[split], order.end() - next);
    characters[split].assign(next, end);
    next = end;
  }
  return characters;
}

/// Lake's own halves; validation is a few whole alphabets of background, drawn by `seed`, since evaluation
/// has new alphabets too.
Characters by_alphabet(const std::vector<std::string>& names, uint64_t seed, const OmniglotCounts& counts) {
  std::map<std::string, std::vector<int32_t>> alphabets;
  Characters characters;
  for (size_t c = 0; c < names.size(); ++c) {
    if (static_cast<int64_t>(c) < counts.background) {
      alphabets[names[c].substr(0, names[c].find('/'))].push_back(static_cast<int32_t>(c));
    } else {
      characters[2].push_back(static_cast<int32_t>(c));
    }
  }
  const auto wanted = static_cast<uint32_t>(counts.lake_validation_alphabets);
  const auto chosen =
      RandomStream(seed, Purpose::split, 0).sample(wanted, static_cast<uint32_t>(alphabets.size()));
  uint32_t number = 0;
  for (const auto& [alphabet, members] : alphabets) {
    const bool validation = std::find(chosen.begin(), chosen.end(), number++) != chosen.end();
    std::vector<int32_t>& target = characters[validation ? 1 : 0];
    target.insert(target.end(), members.begin(), members.end());
  }
  return characters;
}

/// The list of the split of Vinyals et al. (2016):
/// {"train": {"background": {"Greek": ["character03", ...], ...}, ...}, "val": ..., "test": ...}.
nlohmann::ordered_json read_list(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) {
    throw DataError("omniglot: need the list of the split vinyals, found no " + path.string());
  }
  try {
    return parse_json(std::string(std::istreambuf_iterator<char>(file), {}));
  } catch (const JsonFault& fault) {
    throw DataError(path.string() + ": need a JSON list of characters, got: " + fault.what());
  }
}

/// The names that one split of the list has, "Greek/character03". Throws DataError.
std::vector<std::string> names_in(const nlohmann::ordered_json& list, const char* split,
                                  const std::filesystem::path& path) {
  const auto need = [&](bool good) {
    if (!good) {
      throw DataError(path.string() +
                      ": need a JSON list of characters, got: no lists of names by half and " +
                      "alphabet in " + split);
    }
  };
  need(list.is_object() && list.contains(split) && list[split].is_object());
  std::vector<std::string> names;
  for (const auto& half : list[split]) {
    need(half.is_object());
    for (const auto& [alphabet, members] : half.items()) {
      need(members.is_array());
      for (const auto& member : members) {
        need(member.is_string());
        names.push_back(alphabet + "/" + member.get<std::string>());
      }
    }
  }
  return names;
}

Characters listed(const std::vector<std::string>& names, const std::filesystem::path& path) {
  std::map<std::string, int32_t> index;
  for (size_t c = 0; c < names.size(); ++c) {
    index[names[c]] = static_cast<int32_t>(c);
  }
  constexpr std::array<const char*, 3> kKeys = {"train", "val", "test"};
  const nlohmann::ordered_json list = read_list(path);
  Characters characters;
  for (size_t split = 0; split < kKeys.size(); ++split) {
    for (const std::string& name : names_in(list, kKeys[split], path)) {
      const auto found = index.find(name);
      if (found == index.end()) {
        throw DataError("omniglot: need the character " + printable(name) + " that " + path.string() +
                        " names, found none in the images");
      }
      characters[split].push_back(found->second);
    }
  }
  return characters;
}

void check(const Characters& characters, const std::array<int64_t, 3>& sizes,
           const std::vector<std::string>& names, const DatasetOptions& options) {
  std::vector<bool> taken(names.size());
  for (size_t split = 0; split < characters.size(); ++split) {
    const std::string where = std::string(" in split ") + kSplitNames[split] + " of " + options.split;
    const auto found = static_cast<int64_t>(characters[split].size());
    if (found != sizes[split]) {
      throw DataError("omniglot: need " + std::to_string(sizes[split]) + " characters, got " +
                      std::to_string(found) + where);
    }
    for (int32_t c : characters[split]) {
      if (taken[static_cast<size_t>(c)]) {
        throw DataError("omniglot: need each character once, got " + names[static_cast<size_t>(c)] +
                        " again" + where);
      }
      taken[static_cast<size_t>(c)] = true;
    }
  }
}

}  // namespace

std::array<std::vector<EpisodeClass>, 3> split_omniglot(const std::vector<std::string>& names,
                                                        const DatasetOptions& options,
                                                        const OmniglotCounts& counts) {
  const auto seed = static_cast<uint64_t>(options.split_seed);
  Characters characters;
  if (options.split == "maml") {
    characters = shuffled(names, seed, counts.maml);
    check(characters, counts.maml, names, options);
  } else if (options.split == "reptile") {
    characters = shuffled(names, seed, counts.reptile);
    check(characters, counts.reptile, names, options);
  } else if (options.split == "vinyals") {
    characters = listed(names, std::filesystem::path(options.root) / "vinyals_split.json");
    check(characters, counts.vinyals, names, options);
  } else if (options.split == "lake") {
    characters = by_alphabet(names, seed, counts);
  } else {
    throw ConfigError("dataset.split: need one of maml, reptile, vinyals, lake, got \"" + options.split +
                      "\"");
  }
  return episode_classes(std::move(characters), options.rotations);
}

}  // namespace ufo::data
