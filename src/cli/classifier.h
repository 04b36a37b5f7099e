#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <ufo/base/device.h>
#include <ufo/data/loose_images.h>
#include <ufo/nn/network.h>
#include <ufo/run/adapted.h>
#include <ufo/train/predictor.h>

namespace ufo::cli {

/// Where a classifier comes from: a run and a support set, or a file of one that was adapted before.
struct ClassifierSource {
  std::string run, support, checkpoint = "best";
  std::optional<DeviceChoice> device;  ///< none: the config's
  std::string adapted;                 ///< "": adapt `run` to `support`
  std::optional<int64_t> steps;        ///< inner steps; none: as the config says
  data::BadImages bad_images = data::BadImages::refuse;
};

/// A network that tells the classes of a support set apart, and what its images must look like.
struct Classifier {
  run::Adapted adapted;
  data::ImageForm form;
  std::unique_ptr<nn::Network> network;
  std::unique_ptr<train::Predictor> predictor;  ///< of `network`
  std::vector<std::string> remarks;             ///< what a reader of its predictions must know

  bool transductive() const { return network->batch_norm_mode() == nn::BatchNorm::batch; }
};

/// Adapts or reads it. Throws ConfigError and DataError.
Classifier make_classifier(const ClassifierSource& source);

/// What was not taken of the folder that `option` names, in a line for each kind; none where all was.
std::vector<std::string> lines_of_not_taken(const std::string& option, const data::LooseImages& images);

}  // namespace ufo::cli
