#include "random_problem.h"
#include "support/source_folder.h"

#include <filesystem>

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <ufo/base/safetensors.h>
#include <ufo/bilevel/classification.h>
#include <ufo/bilevel/meta_gradient.h>

namespace ufo::bilevel {
namespace {

template <class Number>
std::vector<Number> numbers(const std::string& list) {  // "[1,0,1]"
  std::vector<Number> numbers;
  std::istringstream in(list);
  for (char separator; in >> separator && separator != ']';) {
    Number number;
    if (in >> number) {
      numbers.push_back(number);
    }
  }
  return numbers;
}

/// Meta-gradients that tests/fixtures/make_meta_gradients.py computed with torch.func in float64.
class Fixture {
 public:
  explicit Fixture(const std::string& name)
      : file_(load_safetensors(std::filesystem::path(source_path("tests/fixtures")) / name)) {
    const auto images = tensor("support_images");
    nn::ModelOptions model;
    model.name = text("model");
    const auto read = [&](const char* key, auto&& take) {
      if (file_.metadata.contains(key)) {
        take(text(key));
      }
    };
    read("filters", [&](const std::string& value) { model.filters = std::stol(value); });
    read("blocks", [&](const std::string& value) { model.blocks = std::stol(value); });
    read("kernel", [&](const std::string& value) { model.kernel = std::stol(value); });
    read("pool", [&](const std::string& value) {
      model.downsampling = value == "true" ? nn::Downsampling::max_pool : nn::Downsampling::stride;
    });
    read("batch_norm",
         [&](const std::string& value) { model.batch_norm = value_of<nn::BatchNorm>(value).value(); });
    read("negative_slope", [&](const std::string& value) { model.negative_slope = std::stod(value); });
    read("batch_norm_eps", [&](const std::string& value) { model.batch_norm_eps = std::stod(value); });
    read("hidden", [&](const std::string& value) { model.hidden = numbers<int64_t>(value); });
    read("widths", [&](const std::string& value) { model.widths = numbers<int64_t>(value); });
    read("head", [&](const std::string& value) { model.head = *value_of<nn::Head>(value); });
    head = model.head;
    network = nn::make_network(model, {.channels = images.size(2),
                                       .height = images.size(3),
                                       .width = images.size(4),
                                       .ways = std::stol(text("ways"))});
  }

  InnerOptions inner() const {
    InnerOptions options{.steps = std::stol(text("inner_steps")),
                         .learning_rate = std::stod(text("inner_learning_rate"))};
    if (const std::string per = optional("inner_rates_per"); !per.empty()) {
      options.rates = {.per = *value_of<RatesPer>(per), .learned = true};
    }
    if (const std::string adapt = optional("inner_adapt"); !adapt.empty()) {
      options.adapt = *value_of<Adapt>(adapt);
    }
    if (const std::string decay = optional("inner_weight_decay"); !decay.empty()) {
      options.weight_decay = std::stod(decay);
    }
    if (const std::string optimizer = optional("inner_optimizer"); !optimizer.empty()) {
      options.optimizer = *value_of<InnerOptimizer>(optimizer);
    }
    if (const std::string batch = optional("inner_batch"); !batch.empty()) {
      options.batch = std::stol(batch);
    }
    options.norm = optional("inner_norm") != "false";
    return options;
  }

  ClassificationProblem problem(Engine engine, at::ScalarType dtype) const {
    ClassificationProblem problem(learner(dtype), tensor("support_images").to(dtype),
                                  tensor("support_labels"), tensor("query_images").to(dtype),
                                  tensor("query_labels"), engine);
    if (const auto weights = numbers<double>(optional("outer_weights")); !weights.empty()) {
      problem.weigh_outer(at::tensor(weights, dtype));
    }
    return problem;
  }

  Base base() const {
    if (!file_.metadata.contains("base")) {
      return Base::of_the_estimator();
    }
    return Base::last(text("base") == "head" ? 0 : std::stol(text("base")));
  }

  /// "theta." or "gradient." or "task_gradient." tensors as one flat tensor.
  at::Tensor flat(const std::string& prefix) const {
    std::vector<at::Tensor> tensors;
    const nn::Layout layout = learner(at::kDouble).layout();
    for (const auto& entry : layout.entries()) {
      tensors.push_back(tensor(prefix + entry.name));
    }
    return layout.pack(tensors);
  }

  MetaGradient estimate(Engine engine, at::ScalarType dtype) const {
    const auto p = problem(engine, dtype);
    const EstimatorOptions options{
        .estimator = text("estimator"), .base = base(), .q = {std::stod(text("q"))}};
    const auto estimator = make_estimator(options, inner());
    Coins coins = Coins::all(p.tasks(), options.estimator == "exact");
    if (const auto tossed = numbers<int64_t>(text("coins")); !tossed.empty()) {
      coins = {.probability = options.q.value, .exact = {tossed.begin(), tossed.end()}};
    }
    return estimate_meta_gradient(p, flat("theta.").to(dtype), *estimator, coins, KeepTasks::yes);
  }

  std::string text(const std::string& key) const { return file_.metadata.at(key); }

  /// "" where the file lacks it.
  std::string optional(const std::string& key) const { return file_.metadata.contains(key) ? text(key) : ""; }

  Learner learner(at::ScalarType dtype) const { return {*network, inner(), dtype, head}; }

  std::unique_ptr<nn::Network> network;
  nn::Head head = nn::Head::linear;

 private:
  at::Tensor tensor(const std::string& name) const { return file_.tensors.at(name); }

  TensorFile file_;
};

std::vector<std::string> fixture_names() {
  std::vector<std::string> names;
  for (const auto& file :
       std::filesystem::directory_iterator(std::filesystem::path(source_path("tests/fixtures")))) {
    if (file.path().extension() == ".safetensors") {
      names.push_back(file.path().filename());
    }
  }
  std::sort(names.begin(), names.end());
  return names;
}

class TorchFuncFixture : public testing::TestWithParam<std::string> {};

TEST_P(TorchFuncFixture, GivesTheSameMetaGradients) {
  const Fixture fixture(GetParam());
  for (const auto engine : {Engine::hand_written, Engine::autograd}) {
    const auto estimate = fixture.estimate(engine, at::kDouble);
    EXPECT_LT(relative_error(estimate.gradient, fixture.flat("gradient.")), 1e-8);
    EXPECT_LT(relative_error(estimate.task_gradients, fixture.flat("task_gradient.")), 1e-8);
  }
}

INSTANTIATE_TEST_SUITE_P(Fixtures, TorchFuncFixture, testing::ValuesIn(fixture_names()),
                         [](const auto& info) { return info.param.substr(0, info.param.find('.')); });

// Over several steps a ReLU that flips in one precision alone moves the gradient by percents.
TEST(TorchFunc, GivesTheSameInFloatAfterOneInnerStep) {
  for (const auto& name : fixture_names()) {
    const Fixture fixture(name);
    if (fixture.text("inner_steps") == "1") {
      for (const auto engine : {Engine::hand_written, Engine::autograd}) {
        EXPECT_LT(relative_error(fixture.estimate(engine, at::kFloat).gradient, fixture.flat("gradient.")),
                  1e-3)
            << name;
      }
    }
  }
}

}  // namespace
}  // namespace ufo::bilevel
