# Writes the bytes of the file FROM as a C++ source TO.
file(READ ${FROM} hex HEX)
string(LENGTH "${hex}" length)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
math(EXPR size "${length} / 2")
file(WRITE ${TO} "#include \"api/page.h\"\n\nnamespace nl::api {\nnamespace {\nconstexpr unsigned char kPage[] = {${bytes}};\n}\n\n"
  "std::string_view page_html() {\n    return {reinterpret_cast<const char*>(kPage), ${size}};\n}\n\n}  // namespace nl::api\n")
