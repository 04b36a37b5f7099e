#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ufo/base/error.h>
#include <ufo/train/distributed/process_group.h>

namespace ufo::train {
namespace {

using Variables = std::map<std::string, std::string>;

ProcessPlace place(const Variables& variables) {
  return find_place([&](const char* name) {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional(found->second);
  });
}

const Variables kTorchrun = {
    {"RANK", "5"},           {"WORLD_SIZE", "8"},       {"LOCAL_RANK", "1"},
    {"MASTER_ADDR", "node"}, {"MASTER_PORT", "29500"},  {"TORCHELASTIC_USE_AGENT_STORE", "True"},
    {"GROUP_RANK", "1"},     {"LOCAL_WORLD_SIZE", "4"},
};

/// What find_place says against `variables`.
std::string refusal(const Variables& variables) {
  try {
    place(variables);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "";
}

TEST(ProcessPlace, IsAloneWithoutVariables) {
  EXPECT_EQ(place({}).size, 1);
  EXPECT_EQ(place({{"MASTER_ADDR", "node"}}).size, 1);
}

TEST(ProcessPlace, IsAloneInAWorldOfOne) {
  const ProcessPlace alone = place({{"RANK", "0"}, {"WORLD_SIZE", "1"}});
  EXPECT_EQ(alone.size, 1);
  EXPECT_EQ(alone.rank, 0);
}

TEST(ProcessPlace, ReadsWhatTorchrunSets) {
  const ProcessPlace found = place(kTorchrun);
  EXPECT_EQ(found.rank, 5);
  EXPECT_EQ(found.size, 8);
  EXPECT_EQ(found.local_rank, 1);
  EXPECT_EQ(found.local_size, 4);
  EXPECT_EQ(found.address, "node");
  EXPECT_EQ(found.port, 29500);
  EXPECT_TRUE(found.hosted);
}

TEST(ProcessPlace, NeedsNoLocalRank) {
  const ProcessPlace found =
      place({{"RANK", "1"}, {"WORLD_SIZE", "2"}, {"MASTER_ADDR", "master-0"}, {"MASTER_PORT", "23456"}});
  EXPECT_EQ(found.rank, 1);
  EXPECT_EQ(found.local_rank, 0);
  EXPECT_EQ(found.local_size, 1);
  EXPECT_FALSE(found.hosted);
}

TEST(ProcessPlace, ReadsSlurmsWhereMasterAddressIsGiven) {
  Variables slurm = {{"SLURM_PROCID", "3"}, {"SLURM_NTASKS", "4"}, {"SLURM_LOCALID", "1"}};
  EXPECT_EQ(place(slurm).size, 1) << "a job of one's own, begun in an allocation";
  slurm.insert({{"MASTER_ADDR", "node1"}, {"MASTER_PORT", "29500"}});
  const ProcessPlace found = place(slurm);
  EXPECT_EQ(found.rank, 3);
  EXPECT_EQ(found.size, 4);
  EXPECT_EQ(found.local_rank, 1);
}

TEST(ProcessPlace, PrefersRankToSlurms) {
  Variables both = kTorchrun;
  both.insert({{"SLURM_PROCID", "0"}, {"SLURM_NTASKS", "2"}});
  EXPECT_EQ(place(both).rank, 5);
}

TEST(ProcessPlace, RefusesBadValues) {
  const auto with = [](const char* name, const char* value) {
    Variables variables = kTorchrun;
    variables[name] = value;
    return refusal(variables);
  };
  EXPECT_EQ(with("RANK", "8"), "environment: RANK: need a whole number from 0 to 7, got \"8\"");
  EXPECT_EQ(with("RANK", "-1"), "environment: RANK: need a whole number from 0 to 7, got \"-1\"");
  EXPECT_EQ(with("RANK", "1.5"), "environment: RANK: need a whole number from 0 to 7, got \"1.5\"");
  EXPECT_EQ(with("WORLD_SIZE", "0"),
            "environment: WORLD_SIZE: need a whole number from 1 to 1000000, got \"0\"");
  EXPECT_EQ(with("LOCAL_RANK", "4"), "environment: LOCAL_RANK: need a whole number from 0 to 3, got \"4\"");
  EXPECT_EQ(with("MASTER_PORT", "tcp://1"),
            "environment: MASTER_PORT: need a whole number from 1 to 65535, got \"tcp://1\"");
}

TEST(ProcessPlace, RefusesMissingVariables) {
  for (const char* name : {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"}) {
    Variables variables = kTorchrun;
    variables.erase(name);
    EXPECT_EQ(refusal(variables),
              std::string("environment: need ") + name + " for training in several processes, it is not set");
  }
}

}  // namespace
}  // namespace ufo::train
