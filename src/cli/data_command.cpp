#include "cli/command.h"

#include <algorithm>
#include <cstdio>

#include <ufo/base/error.h>
#include <ufo/data/verification.h>
#include <ufo/episode/preview.h>
#include <ufo/run/config.h>
#include <ufo/train/workspace.h>

namespace ufo::cli {
namespace {

struct DataArguments {
  std::string config, output = "episode.png", split = "train";
  std::vector<std::string> assignments;
  int64_t index = 0;
};

using Long = long long;

run::Config load(const DataArguments& arguments) {
  return run::load_config(arguments.config, arguments.assignments);
}

data::DatasetOptions located(const run::Config& config) {
  data::DatasetOptions options = config.options.dataset;
  options.root = config.dataset_root.string();
  return options;
}

void print_splits(const std::array<int64_t, 3>& classes) {
  for (size_t split = 0; split < classes.size(); ++split) {
    std::printf("%-12s %lld classes\n", data::kSplitNames[split], static_cast<Long>(classes[split]));
  }
}

void print_source(const data::VerifiedSource& source) {
  const char* const release = !source.has_published_digest ? ""
                              : source.as_published        ? " (as published)"
                                                           : " (not the published release)";
  const std::string groups = source.groups > 0 ? std::to_string(source.groups) + " groups, " : "";
  std::printf("%s\n  %s%lld classes, %lld images; %s%s\n", source.path.c_str(), groups.c_str(),
              static_cast<Long>(source.classes), static_cast<Long>(source.images), source.digest.c_str(),
              release);
}

void print_notes(const std::vector<std::string>& lines) {
  for (const std::string& line : lines) {
    std::printf("note         %s\n", line.c_str());
  }
}

int verify(const DataArguments& arguments) {
  const auto found = data::verify_dataset(located(load(arguments)));
  for (const auto& source : found.sources) {
    print_source(source);
  }
  print_splits(found.classes);
  print_notes(found.remarks);
  for (const auto* lines : {&found.oddities, &found.broken}) {
    for (const std::string& line : *lines) {
      std::puts(line.c_str());
    }
  }
  if (!found.broken.empty()) {
    throw DataError("need whole images, found " + std::to_string(found.broken.size()) + " broken in " +
                    found.sources.front().path.string());
  }
  const bool all = std::none_of(found.remarks.begin(), found.remarks.end(),
                                [](const std::string& line) { return line.starts_with("passed over"); });
  std::puts(all ? "all images are there and whole" : "all images that were read are whole");
  return 0;
}

int summary(const DataArguments& arguments) {
  const auto dataset = data::load_dataset(located(load(arguments)));
  const auto found = data::summarize(dataset);
  std::printf("images       %lld of %lldx%lld pixels, %lld channel%s, %.1f MB\n",
              static_cast<Long>(found.images), static_cast<Long>(found.height),
              static_cast<Long>(found.width), static_cast<Long>(found.channels),
              found.channels == 1 ? "" : "s", static_cast<double>(found.bytes) / 1e6);
  std::printf("classes      %lld, of %lld to %lld images each\n", static_cast<Long>(found.image_classes),
              static_cast<Long>(found.smallest_class), static_cast<Long>(found.largest_class));
  print_splits(found.classes);
  if (!found.cache.empty()) {
    std::printf("cache        %s\n", found.cache.c_str());
  }
  print_notes(dataset.notes);
  print_notes(dataset.remarks);
  return 0;
}

int preview(const DataArguments& arguments) {
  const data::Split split = data::parse_split(arguments.split);
  const run::Config config = load(arguments);
  const auto dataset = data::load_dataset(located(config));
  const episode::EpisodeSampler sampler(dataset, config.options.episode,
                                        static_cast<uint64_t>(config.options.seed),
                                        config.options.augmentation);
  episode::write_preview(sampler, split, static_cast<uint64_t>(arguments.index), arguments.output);
  std::printf("written      %s\n", arguments.output.c_str());
  return 0;
}

}  // namespace

void add_data(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<DataArguments>();
  CLI::App* data = app.add_subcommand("data", "Verify, count or draw the images that a config names");
  data->require_subcommand(1);
  data->footer("Example:\n  ufo-maml data preview configs/quickstart.json --output episode.png");

  CLI::App* verify_command =
      add_command(*data, action, "verify", "Decode every image and check that all are there",
                  "ufo-maml data verify configs/quickstart.json", [arguments] { return verify(*arguments); });
  CLI::App* summary_command = add_command(*data, action, "summary", "Count images and classes of each split",
                                          "ufo-maml data summary configs/quickstart.json",
                                          [arguments] { return summary(*arguments); });
  CLI::App* preview_command =
      add_command(*data, action, "preview", "Draw an episode to a PNG file",
                  "ufo-maml data preview configs/quickstart.json --split test --index 3 --output episode.png",
                  [arguments] { return preview(*arguments); });
  for (CLI::App* command : {verify_command, summary_command, preview_command}) {
    add_config_arguments(*command, arguments->config, arguments->assignments);
    add_threads(*command);
  }
  preview_command->add_option("-o,--output", arguments->output, "PNG file to write")->capture_default_str();
  preview_command->add_option("--split", arguments->split, "train, validation or test")
      ->capture_default_str();
  preview_command->add_option("--index", arguments->index, "number of the episode")
      ->capture_default_str()
      ->check(CLI::NonNegativeNumber);
}

}  // namespace ufo::cli
