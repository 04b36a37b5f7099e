#include <ATen/ATen.h>

#include <ufo/data/preview.h>
#include <ufo/episode/preview.h>

namespace ufo::episode {
namespace {

/// Images `first` to `first + count - 1` of `images`, turned; [count, H, W, C] uint8.
at::Tensor turned_images(const data::Dataset& dataset, const std::vector<int64_t>& images, int64_t first,
                         int64_t count, int32_t quarter_turns) {
  const std::vector<int64_t> wanted(images.begin() + first, images.begin() + first + count);
  return at::rot90(dataset.images.images.index_select(0, at::tensor(wanted, at::kLong)), quarter_turns,
                   {1, 2});
}

std::string label_text(size_t label, const std::string& class_name, int32_t quarter_turns) {
  std::string text = std::to_string(label) + "   " + class_name;
  if (quarter_turns != 0) {
    text += ", turned by " + std::to_string(90 * quarter_turns) + " degrees";
  }
  return text;
}

}  // namespace

void write_preview(const EpisodeSampler& sampler, data::Split split, uint64_t index,
                   const std::filesystem::path& path) {
  const data::Dataset& dataset = sampler.dataset();
  const EpisodeOptions& options = sampler.options();
  const Episode episode = sampler.episode(split, index);
  const std::string split_name = data::kSplitNames[static_cast<size_t>(split)];
  data::PreviewSheet sheet{.title = std::to_string(options.ways) + "-way " + std::to_string(options.shots) +
                                    "-shot, " + split_name + " episode " + std::to_string(index),
                           .left_title = "support",
                           .right_title = "query",
                           .rows = {}};
  for (size_t n = 0; n < episode.classes.size(); ++n) {
    const data::EpisodeClass& drawn = dataset.of(split)[static_cast<size_t>(episode.classes[n])];
    const auto row = static_cast<int64_t>(n);
    sheet.rows.push_back(
        {.label = label_text(n, dataset.images.class_names[static_cast<size_t>(drawn.image_class)],
                             drawn.quarter_turns),
         .left =
             turned_images(dataset, episode.support, row * options.shots, options.shots, drawn.quarter_turns),
         .right = turned_images(dataset, episode.query, row * options.queries, options.queries,
                                drawn.quarter_turns)});
  }
  data::write_preview(sheet, path);
}

}  // namespace ufo::episode
