#include <gtest/gtest.h>

#include <ufo/base/printable.h>

namespace ufo {
namespace {

TEST(Printable, TextOfEveryScriptStaysAsItIs) {
  for (const char* text :
       {"", "cat/0 (1).png", "caf\xc3\xa9", "\xe7\x8c\xab", "\xf0\x9f\x90\x88", "\xc2\xa0"}) {
    EXPECT_EQ(printable(text), text);
  }
}

TEST(Printable, ControlCharactersAreEscaped) {
  EXPECT_EQ(printable("a\x1b[31mb\n\r\t\x7f"), R"(a\x1b[31mb\x0a\x0d\x09\x7f)");
  EXPECT_EQ(printable(std::string_view("a\0b", 3)), R"(a\x00b)");
  EXPECT_EQ(printable("\xc2\x9b"), R"(\xc2\x9b)");          // C1: a control sequence to a terminal
  EXPECT_EQ(printable("\xe2\x80\xae"), R"(\xe2\x80\xae)");  // from right to left
}

TEST(Printable, BytesThatAreNotUtf8AreEscaped) {
  EXPECT_EQ(printable("caf\xe9!"), R"(caf\xe9!)");
  EXPECT_EQ(printable("\xc3"), R"(\xc3)");                          // cut
  EXPECT_EQ(printable("\xc0\xaf"), R"(\xc0\xaf)");                  // written too long
  EXPECT_EQ(printable("\xed\xa0\x80"), R"(\xed\xa0\x80)");          // half of a surrogate pair
  EXPECT_EQ(printable("\xf5\x80\x80\x80"), R"(\xf5\x80\x80\x80)");  // beyond Unicode
}

TEST(Printable, CanBeTurnedBack) {
  for (const std::string& text :
       {std::string("caf\xe9 \\x"), std::string("a\nb\0c", 5), std::string("caf\u00e9")}) {
    EXPECT_EQ(from_printable(printable(text)), text);
  }
}

TEST(ShellWord, IsQuotedWhereTheShellWouldTakeItApart) {
  EXPECT_EQ(shell_word("runs/q_0.2"), "runs/q_0.2");
  EXPECT_EQ(shell_word("my runs/a"), "'my runs/a'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace ufo
