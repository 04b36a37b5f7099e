#include "cli/classifier.h"
#include "cli/command.h"
#include "cli/query_memory.h"
#include "report/csv.h"

#include <algorithm>
#include <cstdio>

#include <ATen/ATen.h>

#include <ufo/base/error.h>
#include <ufo/base/files.h>
#include <ufo/base/logging.h>
#include <ufo/base/text.h>

namespace ufo::cli {
namespace {

struct PredictArguments {
  ClassifierSource source;
  std::string query, output, save_adapted;
  bool skip_bad = false;
};

/// [R, N]
at::Tensor classify(const Classifier& classifier, const at::Tensor& pixels) {
  const int64_t count = pixels.size(0);
  const int64_t at_once = classifier.transductive() ? count : images_at_once(*classifier.network);
  std::vector<at::Tensor> parts;
  for (int64_t first = 0; first < count; first += at_once) {
    const at::Tensor part = pixels.narrow(0, first, std::min(at_once, count - first));
    parts.push_back(classifier.predictor->probabilities(data::values_of(part, classifier.form)));
  }
  return at::cat(parts);
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
      text.append(",").append(exact_text(*value++));
    }
    text += "\n";
  }
  return text;
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

void classify_and_write(const Classifier& classifier, const data::LooseImages& query,
                        const std::string& output) {
  const std::vector<std::string>& class_names = classifier.adapted.class_names;
  const at::Tensor probabilities = classify(classifier, query.pixels);
  const at::Tensor predicted = probabilities.argmax(1);
  const std::string csv = to_csv(query.paths, class_names, probabilities, predicted);
  if (output.empty()) {
    std::fputs(csv.c_str(), stdout);
  } else {
    write_file_atomically(output, csv);
    std::printf("written      %s\n", output.c_str());
  }
  log_accuracy(query.paths, class_names, predicted);
}

void check_usage(const PredictArguments& arguments) {
  const ClassifierSource& source = arguments.source;
  if (source.adapted.empty() && (source.run.empty() || source.support.empty())) {
    throw ConfigError("predict: need RUN and --support, or --adapted FILE (see ufo-maml predict --help)");
  }
  if (arguments.query.empty() && (arguments.save_adapted.empty() || !arguments.output.empty())) {
    throw ConfigError(
        "predict: need --query, or --save-adapted FILE to adapt alone (see ufo-maml predict --help)");
  }
}

/// Refuses query images that batch statistics cannot tell apart, and adds what these statistics mean.
void check_together(Classifier& classifier, size_t count) {
  if (!classifier.transductive()) {
    return;
  }
  if (count == 1 && !classifier.predictor->sees_lone_images()) {
    throw ConfigError(
        "predict: --query: need at least 2 images, got 1: batch norm takes the statistics of the query images, "
        "and the last convolution of this network gives one pixel, so that one image alone has the same answer "
        "whatever it is; a run trained with model.batch_norm=support classifies each image by itself");
  }
  if (classifier.adapted.parameters.is_cpu()) {
    check_memory_of_together(*classifier.network, classifier.adapted.options.dataset.image_size,
                             static_cast<int64_t>(count));
  }
  classifier.remarks.push_back(
      "transductive: batch norm takes the statistics of all query images together (" + std::to_string(count) +
      "), so each prediction depends on the others; a run trained with model.batch_norm=support classifies "
      "each image by itself");
}

/// The query images, where there are any. What a reader must know goes to the classifier's remarks.
data::LooseImages read_query(const PredictArguments& arguments, Classifier& classifier) {
  if (arguments.query.empty()) {
    return {};
  }
  auto query = data::read_loose_images("predict: --query", arguments.query, classifier.form,
                                       arguments.source.bad_images);
  for (std::string& line : lines_of_not_taken("--query", query)) {
    classifier.remarks.push_back(std::move(line));
  }
  check_together(classifier, query.paths.size());
  return query;
}

int predict(PredictArguments arguments) {
  check_usage(arguments);
  arguments.source.bad_images = arguments.skip_bad ? data::BadImages::skip : data::BadImages::refuse;
  Classifier classifier = make_classifier(arguments.source);
  const data::LooseImages query = read_query(arguments, classifier);
  for (const std::string& remark : classifier.remarks) {
    log(LogLevel::info, remark);
  }
  if (!arguments.save_adapted.empty()) {
    run::save_adapted(arguments.save_adapted, classifier.adapted);
    log(LogLevel::info, "written      " + arguments.save_adapted);
  }
  if (!arguments.query.empty()) {
    classify_and_write(classifier, query, arguments.output);
  }
  return 0;
}

}  // namespace

void add_predict(CLI::App& app, Action& action) {
  auto arguments = std::make_shared<PredictArguments>();
  ClassifierSource& source = arguments->source;
  CLI::App* command =
      add_command(app, action, "predict", "Classify images by a trained run and a few examples of each class",
                  "ufo-maml predict runs/quickstart --support examples --query new --output classes.csv\n"
                  "  ufo-maml predict runs/quickstart --support examples --save-adapted pets.safetensors\n"
                  "  ufo-maml predict --adapted pets.safetensors --query new",
                  [arguments] { return predict(*arguments); });
  CLI::Option* run = command->add_option("RUN", source.run, "run directory");
  CLI::Option* support =
      command->add_option("--support", source.support, "folder with one sub-folder of images a class");
  command->add_option(
      "--query", arguments->query,
      "folder of the images to classify, with or without sub-folders; where these are named like "
      "the classes, the accuracy is logged");
  command->add_option("-o,--output", arguments->output, "CSV file to write (default: standard output)");
  command->add_option("--save-adapted", arguments->save_adapted,
                      "file to write that --adapted takes: the run, adapted to the support images");
  CLI::Option* checkpoint =
      command->add_option("--checkpoint", source.checkpoint, "best, last or a checkpoint file")
          ->capture_default_str();
  CLI::Option* steps =
      command
          ->add_option("--steps", source.steps, "inner steps (default: the config's evaluation.inner_steps)")
          ->check(CLI::Range(0, 1 << 20));
  command
      ->add_option("--adapted", source.adapted,
                   "file that --save-adapted wrote, in place of RUN and --support: nothing is adapted again")
      ->excludes(run, support, checkpoint, steps);
  command->add_flag(
      "--skip-bad", arguments->skip_bad,
      "leave out images that cannot be decoded, and say how many, in place of an end with an error");
  add_device(*command, source.device);
  add_threads(*command);
}

}  // namespace ufo::cli
