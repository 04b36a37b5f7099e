#include "process.h"
#include "report/chart.h"
#include "report/page.h"
#include "report/runs.h"
#include "report/tabulate.h"
#include "run/record.h"
#include "support/temporary_folder.h"

#include <cmath>
#include <regex>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/run/config.h>
#include <ufo/run/metrics.h>

namespace ufo::report {
namespace {

using testing::HasSubstr;
using testing::Not;

/// What is wrong with the tags of `page`, or "": every element must be closed in its place, every attribute
/// quoted, every & an entity.
std::string fault_of(const std::string& page) {
  static const std::regex tag(R"re(<(/?)([a-z][a-z0-9]*)((?:\s+[-A-Za-z0-9:]+="[^"<]*")*)(/?)>)re");
  static const std::regex entity("&(amp|lt|gt|quot|#39);");
  std::vector<std::string> open;
  const std::string doctype = "<!DOCTYPE html>\n";
  if (!page.starts_with(doctype)) {
    return "no doctype";
  }
  std::string text = page.substr(doctype.size());
  text = std::regex_replace(text, entity, "");
  if (text.find('&') != std::string::npos) {
    return "a bare &";
  }
  for (std::sregex_iterator match(text.begin(), text.end(), tag), end; match != end; ++match) {
    if (!(*match)[1].length() && !(*match)[4].length()) {
      open.push_back((*match)[2]);
    } else if ((*match)[1].length()) {
      if (open.empty() || open.back() != (*match)[2]) {
        return "</" + (*match)[2].str() + "> closes " + (open.empty() ? "nothing" : open.back());
      }
      open.pop_back();
    }
  }
  if (!open.empty()) {
    return open.back() + " is not closed";
  }
  const std::string rest = std::regex_replace(text, tag, "");
  return rest.find('<') == std::string::npos ? "" : "a bare <: " + rest.substr(rest.find('<'), 60);
}

/// Run directories made by hand, 200 outer steps each.
class Report : public testing::Test {
 protected:
  static constexpr int64_t kSteps = 200;

  void write_run(const std::string& name, const std::string& estimator, int64_t metric_lines = kSteps,
                 int64_t seed = 1) {
    run::RunOptions options;
    options.seed = seed;
    options.meta_gradient.estimator = estimator;
    options.outer.steps = kSteps;
    folder.write(name + "/config.json", run::print_config(options, {.revision = "0123abcd",
                                                                    .hardware = "a <fast> & \"quiet\" one"}));
    std::string lines;
    for (int64_t step = 1; step <= metric_lines; ++step) {
      run::MetricRecord record{.step = step, .loss = 1.0 / static_cast<double>(step)};
      record.seconds = 0.5 * static_cast<double>(step);
      record.gradient_calls = 64;
      record.hessian_products = estimator == "first_order" ? 0 : 32;
      if (estimator == "ufo") {
        record.coins = {
            .probability = 0.1, .exact_tasks = 3, .means = {{.bias_squared = 2, .norm_squared = 5}}};
      }
      lines += run::to_json(record) + "\n";
      if (step % 50 == 0) {
        lines += run::to_json({.step = step,
                               .split = data::Split::validation,
                               .accuracy = 0.5 + 0.001 * static_cast<double>(step),
                               .seconds = record.seconds}) +
                 "\n";
      }
    }
    folder.write(name + "/metrics.jsonl", lines);
  }

  void write_evaluation(const std::string& name, const std::vector<double>& task_accuracies,
                        uint64_t seed = run::kEvaluationSeed) {
    run::EpisodeCurves curves{.accuracy = {std::vector<double>(task_accuracies.size(), 0.2), task_accuracies},
                              .loss = {task_accuracies, task_accuracies}};
    auto result = run::summarize(curves);
    result.split = "test";
    result.seed = seed;
    result.ways = 5;
    result.shots = 1;
    result.queries = 1;
    result.inner_steps = 1;
    result.tasks = static_cast<int64_t>(task_accuracies.size());
    result.task_accuracies = task_accuracies;
    result.checkpoint_step = kSteps;
    folder.write(name + "/evaluation/test.json", run::to_json(result));
  }

  std::vector<run::RunRecord> records(const std::vector<std::string>& names) {
    std::vector<std::string> paths;
    for (const std::string& name : names) {
      paths.push_back(folder / name);
    }
    return read_runs(paths, data::Split::test).records;
  }

  std::string page(const std::vector<std::string>& names) {
    const auto runs = records(names);
    const std::string text = report_page(runs, tabulate(runs, {.published = true, .paired = true}));
    EXPECT_EQ(fault_of(text), "");
    return text;
  }

  TemporaryFolder folder;
};

TEST(ReportTest, TheCheckOfTheTagsSeesFaults) {
  const std::string doctype = "<!DOCTYPE html>\n";
  EXPECT_EQ(fault_of(doctype + "<p class=\"a\">1 &lt; 2<br/></p>"), "");
  for (const std::string bad : {"<p>", "<p></b></p>", "<p>a & b</p>", "<p>1 < 2</p>", "<p class=a></p>"}) {
    EXPECT_NE(fault_of(doctype + bad), "") << bad;
  }
}

TEST_F(Report, DrawsRunsThatDifferInTheirSeedAsOneBand) {
  write_run("one", "exact");
  write_run("two", "exact", kSteps, 2);
  write_run("other", "first_order");
  const std::string text = page({"one", "two", "other"});
  EXPECT_THAT(text, HasSubstr("one, mean of 2 seeds"));
  EXPECT_THAT(text, HasSubstr("<polygon class=\"band\""));
  EXPECT_THAT(text, HasSubstr("Bands: from the least to the largest"));
  const std::string apart = page({"one", "other"});
  EXPECT_THAT(apart, Not(HasSubstr("<polygon")));
  EXPECT_THAT(apart, Not(HasSubstr("seeds")));
}

TEST_F(Report, TabulatesRunsThatDifferInTheirSeedAsOneRow) {
  write_run("one", "exact");
  write_run("two", "exact", kSteps, 2);
  write_run("other", "first_order");
  write_evaluation("one", {1, 0, 1, 0});
  write_evaluation("two", {1, 1, 1, 0});
  write_evaluation("other", {0, 0, 1, 1});
  const Table table = tabulate(records({"one", "other", "two"}), {.over_seeds = true});
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[0].method, "MAML");
  EXPECT_EQ(table.rows[0].name, "one and 1 more");
  EXPECT_EQ(table.rows[0].cost.gradient_calls, 12800);
  EXPECT_TRUE(table.options.empty()) << table.options.front();
  EXPECT_THAT(table.rows[0].seeds, testing::ElementsAre(1, 2));
  EXPECT_NEAR(table.rows[0].accuracy, 62.5, 1e-9);
  EXPECT_NEAR(table.rows[0].interval, 46.914, 1e-3);
  EXPECT_NEAR(table.rows[0].interval_over_seeds.value(), 158.825, 1e-3);
  EXPECT_THAT(table.rows[1].seeds, testing::ElementsAre(1));
  EXPECT_FALSE(table.rows[1].interval_over_seeds);
  write_evaluation("two", {1, 1, 1, 0}, 7);
  EXPECT_THROW(tabulate(records({"one", "other", "two"}), {.over_seeds = true}), ConfigError);
}

TEST_F(Report, HoldsTheFiguresOfARun) {
  write_run("ufo", "ufo");
  write_evaluation("ufo", {0.9, 0.8, 1.0, 0.9});
  const std::string text = page({"ufo"});
  EXPECT_THAT(text, HasSubstr("<h1>UFO-MAML (q=0.1), 5-way 1-shot omniglot (maml)</h1>"));
  EXPECT_THAT(text, HasSubstr("90.00\u00a0±\u00a08.00"));
  EXPECT_THAT(text, HasSubstr("70.00% after step 200"));
  EXPECT_THAT(text, HasSubstr("1 min 40 s"));
  EXPECT_THAT(text, HasSubstr("<td>12,800</td><td>6,400</td><td>600</td>")) << "counts of all 200 steps";
  EXPECT_THAT(text, HasSubstr("Running means of D² and V²"));
  EXPECT_THAT(text, HasSubstr("ufo: 1, 90.00 ± 8.00")) << "the tip of a point of the inner steps";
  EXPECT_THAT(text, HasSubstr("&quot;estimator&quot;: &quot;ufo&quot;"));
  EXPECT_THAT(text, Not(HasSubstr("class=\"notes\""))) << "nothing is missing";
}

TEST_F(Report, NeedsNoNetworkAndNoScript) {
  write_run("ufo", "ufo");
  write_evaluation("ufo", {0.9, 0.8});
  std::string text = page({"ufo"});
  for (const char* word : {"<script", "<link", "<img", "src=", "href=", "url(", "@import"}) {
    EXPECT_THAT(text, Not(HasSubstr(word)));
  }
}

TEST_F(Report, ComparesRunsOnTheSameEpisodes) {
  write_run("maml", "exact");
  write_run("fomaml", "first_order");
  write_evaluation("maml", {0.9, 0.8, 0.7, 0.6});
  write_evaluation("fomaml", {0.8, 0.7, 0.6, 0.4});
  const std::string text = page({"fomaml", "maml"});
  EXPECT_THAT(text, HasSubstr("<h1>2 runs, 5-way 1-shot omniglot (maml)</h1>"));
  EXPECT_THAT(text, HasSubstr("−12.50\u00a0±\u00a04.90"));
  EXPECT_THAT(text, HasSubstr("maml: this checkpoint is better on these episodes"));
  EXPECT_THAT(text, HasSubstr("98.70\u00a0±\u00a00.40 (arXiv 1703.03400)</td><td>below"));
  EXPECT_THAT(text, Not(HasSubstr("UFO's coin")));
}

TEST_F(Report, NamesAnEnsembleWhereverItsAccuracyStands) {
  write_run("a", "exact");
  write_run("b", "exact");
  write_evaluation("a", {0.9, 0.8, 0.7, 0.6});
  write_evaluation("b", {0.8, 0.7, 0.6, 0.4});
  auto result = run::load_evaluation(folder / "a/evaluation/test.json");
  result.ensemble = {20, 10};
  folder.write("a/evaluation/test.json", run::to_json(result));
  const std::string text = page({"a", "b"});
  EXPECT_THAT(text, HasSubstr("MAML, ensemble of 2"));
  EXPECT_THAT(text, HasSubstr("a, ensemble of 2: this checkpoint is better on these episodes"));
  EXPECT_THAT(text, Not(HasSubstr("b, ensemble")));
}

TEST_F(Report, ShowsEveryEvaluationOfARun) {
  write_run("a", "exact");
  write_run("b", "exact", kSteps, 2);
  for (const std::string name : {"a", "b"}) {
    write_evaluation(name, {0.9, 0.8, 0.7, 0.6});
    folder.write(name + "/evaluation/test_steps10.json",
                 read_file(folder / (name + "/evaluation/test.json")));
  }
  const std::string text = page({"a", "b"});
  EXPECT_THAT(text, HasSubstr("<h1>2 runs"));
  EXPECT_THAT(text, HasSubstr("a, steps10"));
  EXPECT_THAT(text, HasSubstr("b, steps10"));
  const Table table = tabulate(records({"a", "b"}), {.over_seeds = true});
  ASSERT_EQ(table.rows.size(), 2u);
  EXPECT_EQ(table.rows[1].name, "a, steps10 and 1 more");
}

TEST_F(Report, DoesNotPairRunsOnOtherEpisodes) {
  write_run("a", "exact");
  write_run("b", "exact");
  write_evaluation("a", {0.9, 0.8}, 1);
  write_evaluation("b", {0.9, 0.8}, 2);
  EXPECT_THAT(page({"a", "b"}), Not(HasSubstr("Paired differences")));
}

TEST_F(Report, EscapesWhatARunDirectorySays) {
  write_run("a<b>&'c'", "exact");
  const std::string text = page({"a<b>&'c'"});
  EXPECT_THAT(text, HasSubstr("a&lt;b&gt;&amp;&#39;c&#39;"));
  EXPECT_THAT(text, HasSubstr("a &lt;fast&gt; &amp; &quot;quiet&quot; one"));
}

TEST_F(Report, NotesWhatIsMissing) {
  write_run("short", "exact", 120);
  std::string lines = read_file(folder / "short/metrics.jsonl");
  folder.write("short/metrics.jsonl", lines + "{\"step\":121,\"spl");
  write_run("empty", "exact");
  std::filesystem::remove(folder / "empty/metrics.jsonl");
  const std::string text = page({"short", "empty"});
  EXPECT_THAT(text, HasSubstr("<b>short</b>: The last line of metrics.jsonl was cut short"));
  EXPECT_THAT(text, HasSubstr("ends after 120 of 200 outer steps"));
  EXPECT_THAT(text, HasSubstr("<b>short</b>: Its test split was not evaluated: ufo-maml evaluate"));
  EXPECT_THAT(text, HasSubstr("<b>empty</b>: There is no metrics.jsonl"));
  EXPECT_THAT(text, HasSubstr("None of the runs was evaluated"));
}

TEST_F(Report, TheProgramWritesItAndRefusesWhatIsNoRun) {
  write_run("x/run", "exact");
  write_run("y/run", "first_order");
  const cli::Outcome done =
      cli::run_program({"report", "x/run", "y/run", "--output", "r.html"}, folder.path());
  EXPECT_EQ(done.exit_code, 0) << done.errors;
  EXPECT_THAT(done.output, HasSubstr("r.html"));
  const std::string text = read_file(folder / "r.html");
  EXPECT_EQ(fault_of(text), "");
  EXPECT_THAT(text, HasSubstr(">x/run</span>")) << "runs of one name go by their paths";
  const cli::Outcome refused = cli::run_program({"report", "nowhere", "--output", "s.html"}, folder.path());
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_FALSE(std::filesystem::exists(folder / "s.html"));
}

TEST_F(Report, ATableNamesRunsAndWhatDiffersBetweenThem) {
  write_run("one", "exact");
  write_run("two", "exact", kSteps, 2);
  write_run("three", "first_order", 100);
  for (const std::string name : {"one", "two", "three"}) {
    write_evaluation(name, {1, 0, 1, 0});
  }
  const Table table = tabulate(records({"one", "two", "three"}), {});
  EXPECT_THAT(table.options, testing::ElementsAre("seed"));
  EXPECT_THAT(table.rows[1].options, testing::ElementsAre("2"));
  EXPECT_EQ(table.rows[1].name, "two");
  EXPECT_EQ(table.rows[1].cost.gradient_calls, 12800);
  EXPECT_EQ(table.rows[1].cost.hessian_products, 6400);
  EXPECT_EQ(table.rows[1].cost.seconds, 100);
  EXPECT_EQ(table.rows[2].cost.hessian_products, 0);
}

TEST_F(Report, PassesOverFoldersOfExperimentsWithANote) {
  write_run("run", "exact");
  write_evaluation("run", {1, 0});
  folder.write("counterexample/counterexample.json", "{\"experiment\": \"counterexample\"}");
  const cli::Outcome table = cli::run_program({"table", "counterexample", "run"}, folder.path());
  EXPECT_EQ(table.exit_code, 0) << table.errors;
  EXPECT_THAT(table.output, HasSubstr("- counterexample holds an experiment, no run, and is left out"));
  EXPECT_THAT(table.output, HasSubstr("| run | MAML "));
  const cli::Outcome page = cli::run_program({"report", "run", "counterexample"}, folder.path());
  EXPECT_EQ(page.exit_code, 0) << page.errors;
  EXPECT_THAT(page.errors, HasSubstr("counterexample holds an experiment"));
  const cli::Outcome none = cli::run_program({"table", "counterexample"}, folder.path());
  EXPECT_EQ(none.exit_code, 2);
  EXPECT_THAT(none.errors, HasSubstr("need at least one run directory, found none: counterexample holds"));
}

TEST(ParseMetrics, TakesCountsFromTheLoggedStepsToAll) {
  std::vector<std::string> notes;
  const auto training = run::parse_metrics(
      "{\"step\":10,\"split\":\"train\",\"loss\":null,\"gradient_calls\":6,\"seconds\":1}\n"
      "nonsense\n"
      "{\"step\":20,\"split\":\"train\",\"loss\":2,\"gradient_calls\":8,\"seconds\":3}\n",
      notes);
  EXPECT_EQ(training.loss.size(), 1u);
  EXPECT_EQ(training.seconds, 3);
  EXPECT_EQ(training.in_all(training.gradient_calls), 140);
  EXPECT_THAT(notes, testing::ElementsAre(HasSubstr("1 line")));
}

TEST(ParseMetrics, CountsExactTasksUnderBothTheirNames) {
  std::vector<std::string> notes;
  const auto training = run::parse_metrics(
      "{\"step\":1,\"split\":\"train\",\"q\":0.5,\"coins\":2}\n" +
          run::to_json({.step = 2, .coins = run::CoinMetrics{.probability = 0.5, .exact_tasks = 3}}) + "\n",
      notes);
  EXPECT_EQ(training.exact_tasks, 5);
  EXPECT_EQ(training.probability.size(), 2u);
  EXPECT_THAT(notes, testing::IsEmpty());
}

TEST(Thinned, KeepsTheMeanInFewPoints) {
  run::Curve curve;
  for (int i = 0; i < 60000; ++i) {
    curve.push_back({.x = static_cast<double>(i), .y = static_cast<double>(i % 100)});
  }
  const run::Curve thin = run::thinned(curve, 300);
  ASSERT_EQ(thin.size(), 300u);
  EXPECT_DOUBLE_EQ(thin[0].x, 99.5);
  for (const run::Point& point : thin) {
    EXPECT_DOUBLE_EQ(point.y, 49.5);
  }
}

TEST(SvgChart, CopesWithOnePointAndWithAFlatCurve) {
  Chart chart{.title = "t", .x_label = "x", .y_label = "y"};
  EXPECT_EQ(to_svg(chart), "");
  chart.series = {{.name = "one", .points = {{5, 0}}}};
  EXPECT_THAT(to_svg(chart), Not(testing::AnyOf(HasSubstr("nan"), HasSubstr("inf"))));
  chart.series = {{.name = "flat", .points = {{1, 0.1}, {2, 0.1}}}};
  chart.logarithmic_y = true;
  EXPECT_THAT(to_svg(chart), Not(testing::AnyOf(HasSubstr("nan"), HasSubstr("inf"))));
}

TEST(SvgChart, TicksAreRound) {
  EXPECT_THAT(round_ticks(0, 60000, 6), testing::ElementsAre(0, 10000, 20000, 30000, 40000, 50000, 60000));
  EXPECT_THAT(round_ticks(0.21, 0.29, 4),
              testing::ElementsAre(testing::DoubleEq(0.2), testing::DoubleEq(0.22), testing::DoubleEq(0.24),
                                   testing::DoubleEq(0.26), testing::DoubleEq(0.28), testing::DoubleEq(0.3)));
}

}  // namespace
}  // namespace ufo::report
