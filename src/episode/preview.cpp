#include <ATen/ATen.h>

#include <ufo/data/preview.h>
#include <ufo/episode/preview.h>

namespace ufo::episode {
namespace {

/// What a network sees of normalised `images` [S, C, H, W], as pixels again: [S, H, W, C] uint8.
at::Tensor pixels(const data::Dataset& dataset, const at::Tensor& images) {
  const at::Tensor values =
      images.permute({0, 2, 3, 1}) * at::tensor(dataset.deviation) + at::tensor(dataset.mean);
  return (values * 255).round().clamp(0, 255).to(at::kByte);
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
  const EpisodeBatch batch = sampler.batch(split, index, 1);
  const at::Tensor support = pixels(dataset, batch.support_images[0]);
  const at::Tensor query = pixels(dataset, batch.query_images[0]);
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
         .left = support.narrow(0, row * options.shots, options.shots),
         .right = query.narrow(0, row * options.queries, options.queries)});
  }
  data::write_preview(sheet, path);
}

}  // namespace ufo::episode
