# Writes OUTPUT, a source file with the version and git's revision of SOURCE, unless it says the same already.
# Where git knows none, as in an image that is built without .git, the environment's UFO_REVISION is taken.
set(revision "")
if(GIT)
  execute_process(COMMAND "${GIT}" --no-optional-locks -C "${SOURCE}" rev-parse HEAD
                  OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  execute_process(COMMAND "${GIT}" --no-optional-locks -C "${SOURCE}" diff --quiet HEAD
                  RESULT_VARIABLE changed OUTPUT_QUIET ERROR_QUIET)
endif()
if(revision STREQUAL "")
  set(revision "$ENV{UFO_REVISION}")
  if(NOT revision MATCHES "^[0-9A-Za-z.+_-]+$")
    set(revision "unknown")
  endif()
elseif(changed)
  string(APPEND revision "+changes")
endif()

set(text "#include \"run/revision.h\"\n
namespace ufo::run {
const char* const kVersion = \"${VERSION}\";
const char* const kRevision = \"${revision}\";
}  // namespace ufo::run\n")
set(old "")
if(EXISTS "${OUTPUT}")
  file(READ "${OUTPUT}" old)
endif()
if(NOT old STREQUAL text)
  file(WRITE "${OUTPUT}" "${text}")
endif()
