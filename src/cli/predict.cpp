#include "cli/command.h"
#include "report/csv.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include <ATen/ATen.h>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/base/logging.h>
#include <ufo/data/loose_images.h>
#include <ufo/nn/head.h>
#include <ufo/run/checkpoint.h>
#include <ufo/run/config.h>
#include <ufo/run/run_directory.h>
#include <ufo/train/device.h>
#include <ufo/train/predictor.h>

namespace ufo::cli {
namespace {

constexpr int64_t kQueriesAtOnce = 256;  // what bounds memory, where query images do not depend on each other

struct PredictArguments {
  std::string run, support, query, output, checkpoint = "best", device;
  int64_t steps = 0;  ///< 0: as the config says
  bool skip_bad = false;
};

/// The images as the run's data set was read; its statistics were written down when it was trained.
data::ImageForm form_of(const run::Config& config) {
  const run::Provenance& provenance = config.provenance;
  if (provenance.mean.empty() || provenance.deviation.empty()) {
    throw ConfigError(config.file.string() + ": need a list of numbers as provenance." +
                      (provenance.mean.empty() ? "mean" : "deviation") +
                      ", found none; train --resume on the run writes it");
  }
  return data::image_form(config.options.dataset, provenance.mean, provenance.deviation);
}

/// A network for `ways` classes with the run's parameters.
struct Model {
  std::unique_ptr<nn::Network> network;
  at::Tensor parameters;  ///< [P]
  int64_t step = 0;       ///< outer steps of the checkpoint
};

Model load_model(const run::RunOptions& options, const std::filesystem::path& checkpoint, int64_t channels,
                 int64_t ways) {
  nn::InputShape input{.channels = channels,
                       .height = options.dataset.image_size,
                       .width = options.dataset.image_size,
                       .ways = options.episode.ways};
  Model model{.network = nn::make_network(options.model, input), .parameters = {}};
  const auto loaded = run::load_checkpoint(checkpoint, model.network->layout());
  model.parameters = loaded.parameters;
  model.step = loaded.step;
  if (ways != input.ways) {
    input.ways = ways;
    auto network = nn::make_network(options.model, input);
    model.parameters = nn::with_mean_head(model.network->layout(), model.parameters, network->layout());
    model.network = std::move(network);
  }
  return model;
}

/// [R, N]
at::Tensor classify(const train::Predictor& predictor, const nn::Network& network, const at::Tensor& pixels,
                    const data::ImageForm& form) {
  const int64_t count = pixels.size(0);
  const int64_t at_once = network.batch_norm_mode() == nn::BatchNorm::batch ? count : kQueriesAtOnce;
  std::vector<at::Tensor> parts;
  for (int64_t first = 0; first < count; first += at_once) {
    const at::Tensor part = pixels.narrow(0, first, std::min(at_once, count - first));
    parts.push_back(predictor.probabilities(data::values_of(part, form)));
  }
  return at::cat(parts);
}

std::string number_text(float value) {
  char buffer[32];
  return {buffer, std::to_chars(buffer, buffer + sizeof buffer, value).ptr};
}

/// `predicted` [R] holds indices into `class_names`.
std::string to_csv(const std::vector<std::string>& paths, const std::vector<std::string>& class_names,
                   const at::Tensor& probabilities, const at::Tensor& predicted) {
  std::string text = "file,predicted";
  for (const std::string& name : class_names) {
    text.append(",").append(report::csv_field(name));
  }
  text += "\n";
  const at::Tensor rows = probabilities.contiguous();
  const float* value = rows.const_data_ptr<float>();
  for (size_t i = 0; i < paths.size(); ++i) {
    const int64_t best = predicted.const_data_ptr<int64_t>()[i];
    text.append(report::csv_field(paths[i]))
        .append(",")
        .append(report::csv_field(class_names[static_cast<size_t>(best)]));
    for (size_t c = 0; c < class_names.size(); ++c) {
      text.append(",").append(number_text(*value++));
    }
    text += "\n";
  }
  return text;
}

/// Says what is about to be done, and what a reader of the predictions must know.
void log_adaptation(const run::RunOptions& options, const Model& model, int64_t ways, int64_t query) {
  const auto info = [](const std::string& line) { log(LogLevel::info, line); };
  info("adapting the parameters of outer step " + std::to_string(model.step) + " to " + std::to_string(ways) +
       " classes");
  if (ways != options.episode.ways) {
    info("the run was trained for " + std::to_string(options.episode.ways) +
         " classes: every row of the new head is the mean of the trained rows");
  }
  if (model.network->batch_norm_mode() == nn::BatchNorm::batch) {
    info(
        "transductive: batch norm takes the statistics of all query images together (" +
        std::to_string(query) +
        "), so each prediction depends on the others; a run trained with model.batch_norm=support classifies "
        "each image by itself");
  }
}

/// Where sub-folders of the query images are named like classes, how many of their images were recognised.
void log_accuracy(const std::vector<std::string>& paths, const std::vector<std::string>& class_names,
                  const at::Tensor& predicted) {
  int64_t known = 0, right = 0;
  for (size_t i = 0; i < paths.size(); ++i) {
    const size_t slash = paths[i].find('/');
    const auto name = paths[i].substr(0, slash);
    if (slash != std::string::npos && std::binary_search(class_names.begin(), class_names.end(), name)) {
      ++known;
      right += class_names[static_cast<size_t>(predicted.const_data_ptr<int64_t>()[i])] == name;
    }
  }
  if (known > 0) {
    char text[160];
    std::snprintf(text, sizeof text,
                  "accuracy %.2f%% (%lld of %lld query images in folders named like a class)",
                  100 * static_cast<double>(right) / static_cast<double>(known),
                  static_cast<long long>(right), static_cast<long long>(known));
    log(LogLevel::info, text);
  }
}

/// Says which files of the folder that `option` names were not taken.
void log_not_taken(const std::string& option, const data::LooseImages& images) {
  for (const std::string& line : {images.passed_over, images.skipped}) {
    if (!line.empty()) {
      log(LogLevel::warning, option + ": " + line);
    }
  }
}

int predict(const PredictArguments& arguments) {
  const auto run = run::RunDirectory::open(arguments.run);
  const run::Config config = run::load_config(run.config_file());
  const run::RunOptions& options = config.options;
  const at::Device device = train::parse_device(arguments.device.empty() ? options.device : arguments.device);
  train::set_precision(options.precision);
  const data::ImageForm form = form_of(config);
  const auto bad = arguments.skip_bad ? data::BadImages::skip : data::BadImages::refuse;
  const auto support = data::read_labelled_images("predict: --support", arguments.support, form, bad);
  const auto query = data::read_loose_images("predict: --query", arguments.query, form, bad);
  log_not_taken("--support", support.images);
  log_not_taken("--query", query);
  const auto ways = static_cast<int64_t>(support.class_names.size());
  const Model model = load_model(options, run.find_checkpoint(arguments.checkpoint),
                                 static_cast<int64_t>(form.mean.size()), ways);

  const bilevel::InnerOptions inner{
      .steps = arguments.steps == 0 ? options.evaluation.inner_steps : arguments.steps,
      .learning_rate = options.inner.learning_rate};
  log_adaptation(options, model, ways, query.pixels.size(0));
  const train::Predictor predictor(*model.network, model.parameters.to(device),
                                   data::values_of(support.images.pixels, form), support.labels, inner,
                                   train::parse_engine(options.engine));
  const at::Tensor probabilities = classify(predictor, *model.network, query.pixels, form);
  const at::Tensor predicted = probabilities.argmax(1);
  const std::string csv = to_csv(query.paths, support.class_names, probabilities, predicted);
  if (arguments.output.empty()) {
    std::fputs(csv.c_str(), stdout);
  } else {
    write_file_atomically(arguments.output, csv);
    std::printf("written      %s\n", arguments.output.c_str());
  }
  log_accuracy(query.paths, support.class_names, predicted);
  return 0;
}

}  // namespace

void add_predict(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<PredictArguments>();
  CLI::App* command =
      add_command(app, action, "predict", "Classify images by a trained run and a few examples of each class",
                  "ufo-maml predict runs/quickstart --support examples --query new --output classes.csv",
                  [arguments] { return predict(*arguments); });
  command->add_option("RUN", arguments->run, "run directory")->required();
  command->add_option("--support", arguments->support, "folder with one sub-folder of images a class")
      ->required();
  command
      ->add_option(
          "--query", arguments->query,
          "folder of the images to classify, with or without sub-folders; where these are named like "
          "the classes, the accuracy is logged")
      ->required();
  command->add_option("-o,--output", arguments->output, "CSV file to write (default: standard output)");
  command->add_option("--checkpoint", arguments->checkpoint, "best, last or a checkpoint file")
      ->capture_default_str();
  command
      ->add_option("--steps", arguments->steps, "inner steps (default: the config's evaluation.inner_steps)")
      ->check(CLI::Range(1, 1 << 20));
  command->add_flag(
      "--skip-bad", arguments->skip_bad,
      "leave out images that cannot be decoded, and say how many, in place of an end with an error");
  command->add_option("--device", arguments->device, "auto, cpu, cuda or cuda:N (default: the config's)");
  add_threads(*command);
}

}  // namespace ufo::cli
