// Rules for the style sheets of the pages. Format is checked by Prettier.
export default {
  extends: "stylelint-config-standard",
  reportNeedlessDisables: true,
  rules: {
    // Rules are grouped by component, so a later component may have a weaker selector than an earlier one.
    "no-descending-specificity": null,
  },
};
