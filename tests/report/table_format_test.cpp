#include "report/table_format.h"

#include "run/json.h"

#include <sstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ufo::report {
namespace {

Table example() {
  const PublishedResult published = published_results("omniglot", 5, 1).front();
  TableRow maml{.run = "runs/a,b",
                .name = "a,b",
                .dataset = "omniglot (maml)",
                .method = "MAML",
                .ensemble = 0,
                .ways = 5,
                .shots = 1,
                .accuracy = 98.5,
                .interval = 0.25,
                .cost = {.gradient_calls = 128000, .hessian_products = 64000, .seconds = 72.25},
                .tasks = 600,
                .inner_steps = 3,
                .queries = 1,
                .batch_norm = nn::BatchNorm::batch,
                .outer_steps = 60000,
                .published = published};
  TableRow ufo = maml;
  ufo.method = "UFO-MAML (q=0.1)";
  ufo.name = "c_d|e";
  ufo.cost = {};
  ufo.published.reset();
  return {.rows = {maml, ufo}, .show_published = true, .notes = {"a note"}};
}

std::vector<std::string> lines_of(const std::string& text) {
  std::istringstream stream(text);
  std::vector<std::string> lines;
  for (std::string line; std::getline(stream, line);) {
    lines.push_back(line);
  }
  return lines;
}

TEST(TableFormat, MarkdownIsAlignedAndSaysAboveWhatAllRowsShare) {
  const std::vector<std::string> lines = lines_of(to_markdown(example()));
  ASSERT_EQ(lines.size(), 8u);
  EXPECT_EQ(
      lines[0],
      "data set: omniglot (maml); ways: 5; shots: 1; tasks: 600; inner steps: 3; queries: 1; batch norm: "
      "transductive; after step: 60000");
  EXPECT_EQ(lines[2],
            "| run    | method           | accuracy, %  | gradient calls | Hessian products | training, s | "
            "published, %                    | verdict |");
  EXPECT_THAT(lines[3], testing::StartsWith("|--------|------------------|--------------|"));
  EXPECT_EQ(lines[4],
            "| a,b    | MAML             | 98.50 ± 0.25 | 128,000        | 64,000           | 72.2        | "
            "98.70 ± 0.40 (arXiv 1703.03400) | within  |");
  EXPECT_THAT(lines[5],
              testing::StartsWith("| c_d\\|e | UFO-MAML (q=0.1) | 98.50 ± 0.25 | –              |"));
  EXPECT_THAT(lines[5], testing::EndsWith("| –                               | –       |"));
  EXPECT_EQ(lines[7], "- a note");
}

TEST(TableFormat, HasAColumnForWhateverDiffersBetweenRows) {
  Table table = example();
  table.rows[1].shots = 5;
  table.options = {"seed", "inner.learning_rate", "outer.optimizer"};
  table.rows[0].options = {"1", "0.4", "\"adam\""};
  table.rows[1].options = {"2", "2.0", "\"sgd\""};
  const std::vector<std::string> lines = lines_of(to_markdown(table));
  EXPECT_THAT(lines[0], testing::Not(testing::HasSubstr("shots")));
  EXPECT_THAT(lines[2],
              testing::StartsWith("| run    | shots | method           | seed | inner.learning_rate | "
                                  "outer.optimizer | accuracy, %"));
  EXPECT_THAT(lines[5], testing::HasSubstr("| 5     | UFO-MAML (q=0.1) | 2    | 2.0                 | sgd "));
  const run::Json row = run::Json::parse(to_json(table)).at("rows")[1];
  EXPECT_EQ(row.at("seed"), 2);
  EXPECT_EQ(row.at("inner.learning_rate"), 2.0);
  EXPECT_EQ(row.at("outer.optimizer"), "sgd");
}

TEST(TableFormat, ShowsPairsBelowTheRowsAndInCsvAlone) {
  Table table = example();
  table.paired = true;
  table.pairs = {{.first = 0,
                  .second = 1,
                  .first_name = "a",
                  .second_name = "b",
                  .mean = -1.5,
                  .interval = 0.5,
                  .tasks = 600,
                  .p = 1e-8,
                  .p_holm = 2e-8}};
  EXPECT_THAT(
      to_markdown(table),
      testing::HasSubstr("| a     | b      | −1.50 ± 0.50      | 600   | < 0.001  | b: this checkpoint is "
                         "better on these episodes |"));
  EXPECT_EQ(run::Json::parse(to_json(table)).at("pairs")[0].at("difference"), -1.5);
  EXPECT_FALSE(run::Json::parse(to_json(example())).contains("pairs"));
  EXPECT_THAT(to_csv(table),
              testing::StartsWith("first,second,difference,interval,tasks,p,p_holm,seen,verdict\na,b,"
                                  "-1.5,0.5,600,"));
  EXPECT_THAT(to_latex(table), testing::HasSubstr("$-$1.50 $\\pm$ 0.50"));
}

TEST(TableFormat, NamesTheIntervalsOverSeedsAndOverEpisodes) {
  Table table = example();
  table.over_seeds = true;
  for (TableRow& row : table.rows) {
    row.seeds = {1, 2, 3};
    row.interval_over_seeds = 0.5;
  }
  table.rows[1].seeds = {1};
  table.rows[1].interval_over_seeds.reset();
  const std::string text = to_markdown(table);
  EXPECT_THAT(text, testing::HasSubstr("| mean accuracy, % | ± over episodes | ± over seeds | seeds |"));
  EXPECT_THAT(text, testing::HasSubstr("| 98.50            | 0.25            | 0.50         | 3     |"));
  EXPECT_THAT(text, testing::HasSubstr("| 98.50            | 0.25            | –            | 1     |"));
  const run::Json json = run::Json::parse(to_json(table));
  EXPECT_EQ(json["rows"][0]["seeds"], run::Json({1, 2, 3}));
  EXPECT_EQ(json["rows"][0]["interval_over_episodes"], 0.25);
  EXPECT_EQ(json["rows"][0]["interval_over_seeds"], 0.5);
  EXPECT_TRUE(json["rows"][1]["interval_over_seeds"].is_null());
  EXPECT_FALSE(run::Json::parse(to_json(example()))["rows"][0].contains("seeds"));
}

TEST(TableFormat, CsvHasOneLineARunAndQuotesCommas) {
  const std::string text = to_csv(example());
  EXPECT_THAT(text,
              testing::StartsWith("run,dataset,ways,shots,method,ensemble_size,accuracy,interval,tasks,"
                                  "inner_steps,queries,batch_norm,transductive,outer_steps,gradient_calls,"
                                  "hessian_products,training_seconds,settings,published_accuracy,"
                                  "published_interval,published_source,published_comparable,verdict\n\"runs/"
                                  "a,b\",omniglot (maml),5,1,MAML,0,98.5,0.25,"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
}

TEST(TableFormat, LatexEscapesWhatItMust) {
  Table table = example();
  table.rows[0].name = "a_b{c}\\d~e^f$g#h&i%j<k>";
  const std::string text = to_latex(table);
  EXPECT_THAT(text, testing::HasSubstr("a\\_b\\{c\\}\\textbackslash{}d\\textasciitilde{}e\\textasciicircum{}f"
                                       "\\$g\\#h\\&i\\%j$<$k$>$"));
  EXPECT_THAT(text, testing::HasSubstr("accuracy, \\%"));
  EXPECT_THAT(text, testing::HasSubstr("98.50 $\\pm$ 0.25"));
  EXPECT_THAT(text, testing::Not(testing::HasSubstr("±")));
}

TEST(TableFormat, LatexHasSharedColumnsInTheCaptionAndSourcesAsNotes) {
  const std::string text = to_latex(example());
  EXPECT_THAT(text,
              testing::HasSubstr("\\caption{Accuracies with 95\\% intervals; data set: omniglot (maml); "));
  EXPECT_THAT(text, testing::HasSubstr("98.70 $\\pm$ 0.40\\textsuperscript{a} & within"));
  EXPECT_THAT(text, testing::HasSubstr("\\textsuperscript{a} arXiv 1703.03400\\par\na note\\par"));
}

TEST(TableFormat, MarksPublishedFiguresOfAnotherBatchNorm) {
  Table table = example();
  table.rows[0].batch_norm = nn::BatchNorm::support;
  EXPECT_THAT(to_markdown(table), testing::HasSubstr("| support statistics |"));
  EXPECT_THAT(to_markdown(table),
              testing::HasSubstr("98.70 ± 0.40 (arXiv 1703.03400; transductive, not comparable)"));
  const run::Json row = run::Json::parse(to_json(table)).at("rows")[0];
  EXPECT_EQ(row.at("batch_norm"), "support");
  EXPECT_EQ(row.at("transductive"), false);
  EXPECT_EQ(row.at("published_comparable"), false);
  EXPECT_EQ(run::Json::parse(to_json(example())).at("rows")[0].at("published_comparable"), true);
  table.rows[0].batch_norm = nn::BatchNorm::none;
  EXPECT_THAT(to_markdown(table), testing::HasSubstr("| none         |"));
}

TEST(TableFormat, NamesAnEnsembleAndComparesItWithNoSingleModel) {
  Table table = example();
  table.rows[0].ensemble = 5;
  EXPECT_THAT(to_markdown(table), testing::HasSubstr("| MAML, ensemble of 5 |"));
  EXPECT_THAT(to_markdown(table),
              testing::HasSubstr("98.70 ± 0.40 (arXiv 1703.03400; no ensemble, not comparable) | –"));
  const run::Json row = run::Json::parse(to_json(table)).at("rows")[0];
  EXPECT_EQ(row.at("method"), "MAML");
  EXPECT_EQ(row.at("ensemble_size"), 5);
  EXPECT_EQ(row.at("published_comparable"), false);
  EXPECT_TRUE(row.at("verdict").is_null());
}

TEST(TableFormat, ComparesAPublishedEnsembleWithOneOfAsManyCheckpoints) {
  Table table = example();
  TableRow& row = table.rows[0];
  row.method = "MAML++";
  row.ensemble_mean = run::EnsembleMean::logits;
  const auto published = published_results("mini_imagenet", 5, 1);
  row.published = *std::find_if(published.begin(), published.end(), [](const PublishedResult& result) {
    return std::string(result.method) == "MAML++";
  });
  row.queries = 15;
  row.accuracy = 52;
  EXPECT_THAT(to_markdown(table),
              testing::HasSubstr("52.15 ± 0.26 (arXiv 1810.09502; ensemble of 5, not comparable) | –"));
  row.ensemble = 5;
  EXPECT_THAT(to_markdown(table), testing::HasSubstr("| MAML++, ensemble of 5 by logits |"));
  EXPECT_THAT(to_markdown(table), testing::HasSubstr("52.15 ± 0.26 (arXiv 1810.09502) | within"));
}

TEST(TableFormat, MarksPublishedFiguresOfOtherQueriesWhereTheyAreTransductive) {
  Table table = example();
  table.rows[0].queries = 15;
  EXPECT_THAT(to_markdown(table),
              testing::HasSubstr("98.70 ± 0.40 (arXiv 1703.03400; with queries = 1, not comparable)"));
  EXPECT_EQ(run::Json::parse(to_json(table)).at("rows")[0].at("published_comparable"), false);
  EXPECT_TRUE(run::Json::parse(to_json(table)).at("rows")[0].at("verdict").is_null());
}

TEST(TableFormat, JsonReadsBack) {
  const run::Json json = run::Json::parse(to_json(example()));
  EXPECT_EQ(json.at("rows").size(), 2u);
  EXPECT_EQ(json.at("rows")[0].at("published_accuracy"), 98.7);
  EXPECT_EQ(json.at("rows")[0].at("verdict"), "within");
  EXPECT_TRUE(json.at("rows")[1].at("published_accuracy").is_null());
  EXPECT_TRUE(json.at("rows")[1].at("verdict").is_null());
}

TEST(Published, HasTheCellsOfThePapers) {
  EXPECT_EQ(published_results("omniglot", 20, 1).size(), 7u);
  EXPECT_EQ(published_results("mini_imagenet", 5, 5).size(), 9u);
  EXPECT_TRUE(published_results("omniglot", 7, 1).empty());
}

TEST(Published, SaysWhereAnAccuracyLiesToTheInterval) {
  PublishedResult published = published_results("omniglot", 20, 1).front();
  ASSERT_EQ(published.accuracy, 95.8);
  ASSERT_EQ(published.interval, 0.3);
  EXPECT_EQ(against_published(published, 95.6), "within");
  EXPECT_EQ(against_published(published, 96.2), "above");
  EXPECT_EQ(against_published(published, 95.4), "below");
  published.interval = 0;
  EXPECT_EQ(against_published(published, 95.8), "");
}

}  // namespace
}  // namespace ufo::report
